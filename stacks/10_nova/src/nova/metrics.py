"""What the pipeline measures: names of OpenTelemetry's conventions, emitted as CloudWatch's embedded metrics."""

from __future__ import annotations

import time

from jobs import metrics

NAMESPACE = "Orrery/Nova"
METRICS: dict[str, str] = {
    "messaging.client.consumed.messages": "Count",
    "messaging.client.operation.duration": "Seconds",
    "messaging.kafka.consumer.lag": "Count",
    "nova.dead_letter.messages": "Count",
    "nova.error.count": "Count",
    "nova.merge.duration": "Seconds",
    "nova.merge.lag": "Milliseconds",
    "nova.merge.rows": "Count",
}
"""Each metric, and CloudWatch's unit of it; `nova.` begins what the conventions have no name for."""


def emit(**values: float) -> None:
    """Write metrics; an underscore in a name stands for a dot where the metric has one.

    Raises
    ------
    KeyError
        There is no such metric.
    """
    known = {name.replace(".", "_"): name for name in METRICS}
    named = {known[name]: value for name, value in values.items()}
    metrics.emit(NAMESPACE, {"service": "nova"}, named, units={name: METRICS[name] for name in named})


def landed(messages: int, dead: int, lag: int, seconds: float) -> None:
    """Tell of one batch that was landed.

    Parameters
    ----------
    messages, dead, lag : int
        How many came, how many of them are dead letters, how many are not read yet.
    seconds : float
        How long it took.
    """
    emit(
        messaging_client_consumed_messages=messages,
        messaging_client_operation_duration=seconds,
        messaging_kafka_consumer_lag=lag,
        nova_dead_letter_messages=dead,
    )


def merged(rows: int, seconds: float, newest_ms: int | None) -> None:
    """Tell of one run of the merge.

    Parameters
    ----------
    rows : int
        How many states of rows were merged.
    seconds : float
        How long it took.
    newest_ms : int or None
        When the source committed the newest of them, in milliseconds since 1970.
    """
    lag = {} if newest_ms is None else {"nova_merge_lag": max(0.0, time.time() * 1000 - newest_ms)}
    emit(nova_merge_rows=rows, nova_merge_duration=seconds, **lag)
