"""What the layers measure, by OpenTelemetry's names where it has one: alarms and dashboards ask for these."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.metrics import emit

NAMESPACE = "Orrery/Quasar"
METRICS: dict[str, str] = {
    "messaging.client.sent.messages": "Count",
    "messaging.client.consumed.messages": "Count",
    "messaging.process.duration": "Seconds",
    "messaging.kafka.consumer.lag": "Count",
    "quasar.speed.late": "Count",
    "quasar.speed.duplicates": "Count",
    "quasar.dead_letters": "Count",
    "quasar.batch.loaded": "Count",
    "quasar.batch.duplicates": "Count",
    "quasar.batch.duration": "Seconds",
    "quasar.reconciliation.late": "Count",
    "quasar.reconciliation.unexplained": "Count",
    "quasar.reconciliation.difference": "Percent",
    "quasar.reconciliation.waiting": "Count",
}
"""Names, and CloudWatch's unit of each."""


def measure(service: str, values: Mapping[str, float]) -> None:
    """Write metrics of one part: ``simulate``, ``speed``, ``archive``, ``batch`` or ``reconcile``.

    Raises
    ------
    KeyError
        A name that `METRICS` does not have: nothing would ever show it.
    """
    emit(NAMESPACE, {"Service": service}, values, units={name: METRICS[name] for name in values})
