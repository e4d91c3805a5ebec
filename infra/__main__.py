"""``python -m infra``: the command line."""

from infra.cli import main

main()
