"""A process that has dbt loaded and runs the pipeline again and again, each time in a child: one start for all tests.

Run by the environment ``orbit``. Reads one JSON object a line (``arguments``, ``environment``, ``log``) and answers with the
child's exit code, which is negative for the signal that killed it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any


def child(wanted: dict[str, Any]) -> None:
    """Run the pipeline once, and never come back."""
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(wanted["environment"])
    code = 70
    try:
        from orbit.pipeline import main

        code = main(wanted["arguments"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer until the input ends."""
    for slow in ("dbt.cli.main", "dbt.adapters.duckdb", "duckdb", "orbit.pipeline"):
        import_module(slow)

    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            child(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
