"""Kafka as Spark reads it: one function for a stream, one for a batch, whatever stands behind them.

On EMR that is Spark's own connector (``spark-sql-kafka`` and ``aws-msk-iam-auth`` on the class path). Where its jar is
not to be had, a Python Data Source of Spark 4 does the same: `jobs.spark_kafka_source`. Columns, offsets, limits and
refusals are meant to be alike. One test is written for both (``tests/e2e/test_spark_kafka.py``); the connector's half
of it needs jars that were not at hand, and was not run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from jobs.kafka import AUTHENTICATIONS

Implementation = Literal["connector", "python"]
Offsets = str | Mapping[str, Mapping[str, int]]
"""``earliest``, ``latest``, or an offset for each partition: ``{"readings": {"0": 23, "1": -2}}``, where -2 stands for
the earliest and -1 for the latest."""

PATIENCE_S = 120.0
GROUP = "spark-kafka-source"
SCHEMA = "key binary, value binary, topic string, partition int, offset long, timestamp timestamp, timestampType int"
CONNECTOR = "org.apache.spark.sql.kafka010.KafkaSourceProvider"
IAM = {
    "kafka.security.protocol": "SASL_SSL",
    "kafka.sasl.mechanism": "AWS_MSK_IAM",
    "kafka.sasl.jaas.config": "software.amazon.msk.auth.iam.IAMLoginModule required;",
    "kafka.sasl.client.callback.handler.class": "software.amazon.msk.auth.iam.IAMClientCallbackHandler",
}


def read_stream(
    spark: Any,
    topics: Sequence[str],
    *,
    starting: Offsets = "earliest",
    max_per_trigger: int | None = None,
    fail_on_data_loss: bool = True,
    patience_s: float = PATIENCE_S,
    group: str = GROUP,
    implementation: Implementation | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Any:
    """Return a streaming DataFrame of what is in some topics, and of what comes.

    Only committed messages are seen. Where a query goes on is in its checkpoint; `starting` is for its first start.
    Partitions that are added later are read from their beginning.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
    topics : sequence of str
        By name.
    starting : str or mapping
        Where a query without a checkpoint begins; see `Offsets`.
    max_per_trigger : int, optional
        How many messages a micro-batch takes at most, shared out by what each partition has waiting; at least one of
        each that has any. With the trigger ``availableNow`` leave it out: the Python source then ends after one batch.
    fail_on_data_loss : bool
        Whether the query fails when messages are gone (deleted by retention, with their partition or topic) before it
        read them. Otherwise it warns in its log and goes on with what there is: a topic that was made anew is read from
        its beginning, which is noticed while it ends below what was read.
    patience_s : float
        How long brokers may be away, in seconds, before the query fails. By the connector that is how long an executor
        waits for messages; its driver waits as long as Kafka's own client does.
    group : str
        The consumer group by whose name the brokers know the query, for clusters that allow each client its own
        alone. Nothing is committed there.
    implementation : str, optional
        ``connector`` or ``python``; by default the connector where it is on the class path.
    environment : mapping
        ``KAFKA_BOOTSTRAP_SERVERS``, ``KAFKA_AUTHENTICATION`` and ``AWS_REGION``, as in `jobs.kafka.client_settings`.

    Returns
    -------
    pyspark.sql.DataFrame
        With the columns of `SCHEMA`.

    Raises
    ------
    KeyError, ValueError
        A variable is missing, or a parameter is none that there is.
    RuntimeError
        Neither the connector's jar is there nor a Spark 4.
    """
    chosen = implementation or available(spark)
    options = _options(chosen, topics, group, fail_on_data_loss, patience_s, environment) | {
        "startingOffsets": _text(starting)
    }
    if max_per_trigger is not None:
        if max_per_trigger < 1:
            raise ValueError(f"max_per_trigger={max_per_trigger} takes nothing")
        options["maxOffsetsPerTrigger"] = str(max_per_trigger)
    return spark.readStream.format(_format(spark, chosen)).options(**options).load()


def read_batch(
    spark: Any,
    topics: Sequence[str],
    *,
    starting: Offsets = "earliest",
    ending: Offsets = "latest",
    fail_on_data_loss: bool = True,
    patience_s: float = PATIENCE_S,
    group: str = GROUP,
    implementation: Implementation | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Any:
    """Return a DataFrame of what is in some topics between two offsets, the second not included; see `read_stream`."""
    chosen = implementation or available(spark)
    options = _options(chosen, topics, group, fail_on_data_loss, patience_s, environment)
    options |= {"startingOffsets": _text(starting), "endingOffsets": _text(ending)}
    return spark.read.format(_format(spark, chosen)).options(**options).load()


def available(spark: Any) -> Implementation:
    """Return what reads Kafka in a session: the connector where its jar is there, Python otherwise."""
    from py4j.protocol import Py4JJavaError

    try:
        spark._jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass(CONNECTOR)
    except Py4JJavaError:
        return "python"
    return "connector"


def _options(
    chosen: Implementation,
    topics: Sequence[str],
    group: str,
    fail_on_data_loss: bool,
    patience_s: float,
    environment: Mapping[str, str],
) -> dict[str, str]:
    if isinstance(topics, str) or not topics:
        raise ValueError(f"topics={topics!r} is not a list of names")
    options = {
        "kafka.bootstrap.servers": environment["KAFKA_BOOTSTRAP_SERVERS"],
        "kafka.group.id": group,
        "kafka.isolation.level": "read_committed",
        "subscribe": ",".join(topics),
        "failOnDataLoss": str(fail_on_data_loss).lower(),
        "kafkaConsumer.pollTimeoutMs": str(round(patience_s * 1000)),
    }
    authentication = environment.get("KAFKA_AUTHENTICATION") or "none"
    if authentication not in AUTHENTICATIONS:
        raise ValueError(f"KAFKA_AUTHENTICATION={authentication} is none of {', '.join(AUTHENTICATIONS)}")
    if authentication == "iam":
        options |= IAM if chosen == "connector" else {"authentication": "iam", "region": environment["AWS_REGION"]}
    return options


def _format(spark: Any, chosen: Implementation) -> str:
    if chosen == "connector":
        return "kafka"
    if spark.version.startswith("3."):
        raise RuntimeError(f"Spark {spark.version} reads Kafka by its connector alone: name its jars in spark.jars")
    from jobs.spark_kafka_source import KafkaSource

    known = spark._jsparkSession.sessionState().dataSourceManager()
    if not known.dataSourceExists(KafkaSource.name()):  # Spark warns of a second registration
        spark.dataSource.register(KafkaSource)
    return KafkaSource.name()


def _text(offsets: Offsets) -> str:
    return offsets if isinstance(offsets, str) else json.dumps(offsets)
