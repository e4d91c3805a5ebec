"""Take a picture of a dashboard for a README: ``scripts/picture_dashboard.py page.html picture.png [--dark]``.

Runs in the environment ``test``, with the browser that tests use.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.browser import View, open_pages

WIDTH = 920


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("page", type=Path, help="as ./orrery dashboard wrote it")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--dark", action="store_true", help="as somebody sees it who prefers dark pages")
    given = parser.parse_args()
    if not given.page.is_file():
        parser.error(f"there is no file {given.page}; make dashboard STACK=… writes one")
    scheme = "dark" if given.dark else "light"
    open_pages([View(given.page.resolve().as_uri(), width=WIDTH, scheme=scheme, picture=str(given.picture))])
    print(f"written: {given.picture}")


if __name__ == "__main__":
    main()
