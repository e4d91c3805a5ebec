"""What PySpark's daemon forks workers from, with all that they import already there.

PySpark collects garbage after each task, which walks over every object of a worker: with Arrow and pandas imported that
takes longer than a small micro-batch. What is imported before the fork is frozen, so that no collection looks at it.
Set by `jobs.spark.session` on this machine (``spark.python.daemon.module``).
"""

from __future__ import annotations

import gc
import importlib

PRELOADED = ("pandas", "pyarrow", "pyspark.worker", "pyspark.sql.pandas.serializers", "jobs.spark_kafka_source")


def main() -> None:
    """Import what workers need, and hand over to PySpark's own daemon."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    importlib.import_module("pyspark.daemon").manager()


if __name__ == "__main__":
    main()
