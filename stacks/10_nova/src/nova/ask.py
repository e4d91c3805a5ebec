"""Ask the warehouse: ``python -m nova.ask 'select …'`` writes the rows, or why it can't be answered, as one line."""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

from jobs.metrics import log
from nova import warehouse


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, float, str)) else float(value)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    (statement,) = sys.argv[1:] if arguments is None else arguments
    with warehouse.opened() as store:
        try:
            rows = store.query(statement)
        except Exception as error:  # whatever the warehouse's client raises is what is to be told
            log("warning", "asked", error=next(iter(str(error).splitlines()), type(error).__name__))
        else:
            log("info", "asked", rows=[[plain(value) for value in row] for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
