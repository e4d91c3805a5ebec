"""What the container does: the first word says which of the stack's programs, the rest is its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from jobs.metrics import log


def prepare(arguments: Sequence[str]) -> int:
    """Make the topics, the shop's tables and the user that Debezium is; a second run changes nothing."""
    from jobs import kafka_topics
    from nova import source

    with tempfile.TemporaryDirectory(prefix="nova-") as folder:
        topics = Path(folder) / "topics.json"
        topics.write_text(os.environ["NOVA_TOPICS"])
        if code := kafka_topics.main(["apply", "--topics", str(topics)]):
            return code
    return source.main(["make", "--capture-secret", os.environ["NOVA_CAPTURE_SECRET_ARN"], *arguments])


def _load(arguments: Sequence[str]) -> int:
    from nova import load

    return load.main(list(arguments))


def _views(arguments: Sequence[str]) -> int:
    from nova import views

    return views.main(list(arguments))


def _compare(arguments: Sequence[str]) -> int:
    from nova import compare

    return compare.main(list(arguments))


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "compare": _compare,
    "load": _load,
    "prepare": prepare,
    "views": _views,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        print(f"error: say what to do: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    code = COMMANDS[given[0]](given[1:])
    if given[0] == "prepare" and not code:
        log("info", "finished", part="prepare")
    return code


if __name__ == "__main__":
    sys.exit(main())
