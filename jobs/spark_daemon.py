"""What PySpark's daemon forks workers from, with all that they import already there.

PySpark collects garbage after each task, which walks over every object of a worker: with Arrow and pandas imported that
takes longer than a small micro-batch. What is imported before the fork is frozen, so that no collection looks at it.
Set by `jobs.spark.session` on this machine (``spark.python.daemon.module``).
"""

from __future__ import annotations

import contextlib
import gc
import importlib

PRELOADED = ("pandas", "pyarrow", "pyspark.worker", "pyspark.sql.pandas.serializers", "jobs.spark_kafka_source")
"""Not all of it is everywhere: PySpark 3.5 has no Python sources, and who reads no Kafka needs no confluent-kafka."""


def main() -> None:
    """Import what workers need, and hand over to PySpark's own daemon."""
    for name in PRELOADED:
        with contextlib.suppress(ImportError):  # a worker that needs it says what is missing
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    importlib.import_module("pyspark.daemon").manager()


if __name__ == "__main__":
    main()
