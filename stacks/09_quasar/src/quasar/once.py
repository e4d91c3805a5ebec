"""Both layers once, in one Spark: the speed layer until it has caught up, then the batch layer and the reconciliation.

What ``make run`` starts, for a machine on which nothing runs all the time: ``python -m quasar.once``. In the cloud
the speed layer (`quasar.speed`) runs always and the batch layer (`quasar.batch`) every night.
"""

from __future__ import annotations

import sys
import traceback

import boto3

from jobs import spark
from jobs.metrics import log
from quasar import batch, speed
from quasar.archive import Archive
from quasar.store import Store


def main() -> int:
    """Run both; 0 is done, 1 an error."""
    try:
        settings, store = speed.Settings.from_environment(), Store.from_environment()
    except KeyError as error:
        log("error", "failed", error=f"{error.args[0]} is not set")
        return 1
    try:
        session = spark.session("quasar", streaming=True, short=True, settings=speed.SPARK)
        speed.Speed(settings, session, store).run(until_caught_up=True)
        archive = Archive(boto3.client("s3"), settings.bucket, scheme=settings.scheme)
        done = batch.run(session, archive, store)
        session.stop()
    except Exception as error:  # the alarm on errors reads lines of the log, not tracebacks
        traceback.print_exc()
        log("error", "failed", error=f"{type(error).__name__}: {error}"[:2000])
        return 1
    log("info", "finished", **done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
