"""What the container does: the first word says which of the stack's programs, the rest is its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from jobs.metrics import log

LOADER, MERGER = "NOVA_SNOWFLAKE_ROLE", "NOVA_SNOWFLAKE_MERGER_ROLE"


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
    """Bring the views to the source's columns, and tell how long something has waited for its merge."""
    from nova import behind, views

    behind.main()  # first: also where the source is away, the alarm gets to know
    return views.main(list(arguments))


def _compare(arguments: Sequence[str]) -> int:
    from nova import compare

    return compare.main(list(arguments))


def _reread(arguments: Sequence[str]) -> int:
    from nova import pipeline

    return pipeline.main(["reread", *arguments])


def _recover(arguments: Sequence[str]) -> int:
    from nova import recover

    return recover.main(list(arguments))


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "compare": _compare,
    "load": _load,
    "prepare": prepare,
    "recover": _recover,
    "reread": _reread,
    "views": _views,
}
AS_MERGER = {"compare", "views"}
"""Who reads what was merged, or makes views of it, enters Snowflake as the merger; else as the loader."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        print(f"error: say what to do: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    if given[0] in AS_MERGER and MERGER in os.environ:
        os.environ[LOADER] = os.environ[MERGER]
    code = _run(COMMANDS[given[0]], given[1:])
    if given[0] == "prepare" and not code:
        log("info", "finished", part="prepare")
    return code


def _run(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command; what stands in its way and is known is one line."""
    from confluent_kafka import KafkaException

    from jobs.snowflake import NoAccess
    from nova.source import SourceError

    try:
        return command(arguments)
    except (NoAccess, SourceError) as error:
        log("error", "failed", error=str(error))
    except KafkaException as error:
        servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
        log("error", "failed", error=f"Kafka at {servers} can't be used: {error.args[0]}; look at the brokers")
    return 1


if __name__ == "__main__":
    sys.exit(main())
