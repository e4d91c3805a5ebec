"""Structured logs and metrics: one JSON object per line on standard output.

CloudWatch reads metrics out of such lines (embedded metric format), so a function needs no permission and no
client for them; anything else that reads JSON lines can do the same.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO


def log(level: str, event: str, *, stream: TextIO | None = None, **facts: Any) -> None:
    """Write one line: ``level``, ``event`` and the facts about it."""
    line = {"level": level, "event": event, **facts}
    _write(json.dumps(line, default=str, ensure_ascii=False), stream)


def emit(
    namespace: str,
    dimensions: Mapping[str, str],
    values: Mapping[str, float],
    *,
    units: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Write metrics in the embedded metric format.

    Parameters
    ----------
    namespace : str
        E.g. ``Orrery/Meteor``.
    dimensions : mapping
        Few and of few values: each combination is a metric that costs money.
    values : mapping
        Metric name to value.
    units : mapping, optional
        Metric name to CloudWatch unit; ``Count`` where it is missing.
    """
    metrics = [{"Name": name, "Unit": (units or {}).get(name, "Count")} for name in values]
    directive = {"Namespace": namespace, "Dimensions": [list(dimensions)], "Metrics": metrics}
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        **dimensions,
        **values,
    }
    _write(json.dumps(line), stream)


def _write(text: str, stream: TextIO | None) -> None:
    """Write a line at once: `print` writes its end by itself, and another thread's line may come between."""
    stream = stream or sys.stdout
    stream.write(f"{text}\n")
    stream.flush()
