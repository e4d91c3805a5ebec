"""The stack's alarms during a drill: which fire, and whether they are quiet again at the end.

Route 53 writes the metric of its health checks. In the local cloud the drill asks them, so the drill writes it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from infra.drill.resolver import Record

LOOK_S = 1.0


class Alarms:
    """Looks at a stack's alarms while a drill runs.

    Parameters
    ----------
    client : callable
        Returns a CloudWatch client of a region, through a way that no fault closes.
    regions : sequence of str
        The stack's regions.
    prefix : str
        What the names of the stack's alarms begin with.
    note : callable
        Is told when an alarm fires or clears, and its name without the prefix.
    lasting : collection of str
        Namespaces of metrics that are written only when something happens: where nothing clears an alarm but a new
        value, nobody can wait for that.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        regions: Sequence[str],
        prefix: str,
        note: Callable[[str, str], None],
        lasting: Collection[str] = (),
    ) -> None:
        self._clients = {region: client(region) for region in regions}
        self._prefix, self._note, self._lasting = prefix, note, lasting
        self._stuck: set[str] = set()
        self.firing: set[str] = set()
        """Those that fire now."""
        self.fired: set[str] = set()
        """Those that began to fire since the drill began."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin to look; what fires already does not count."""
        self.firing = self._look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def heard(self, names: Sequence[str], timeout_s: float) -> bool:
        """Wait until alarms with these endings have fired; return whether they did in time."""
        deadline = time.monotonic() + timeout_s
        while not all(any(each.endswith(name) for each in self.fired) for name in names):
            if time.monotonic() > deadline:
                return False
            self._stop.wait(LOOK_S / 4)
        return True

    def quiet(self, timeout_s: float) -> bool:
        """Wait until none of those that began to fire does so any more; return whether that came true in time."""
        deadline = time.monotonic() + timeout_s
        while self.unquiet:
            if time.monotonic() > deadline:
                return False
            self._stop.wait(LOOK_S / 4)
        return True

    @property
    def unquiet(self) -> set[str]:
        """Those that began to fire, still do, and can be waited for."""
        return (self.firing & self.fired) - self._stuck

    def report(self, record: Record, well: bool) -> None:
        """Write the verdict of a health check as Route 53 does, whose metrics are all in us-east-1."""
        self._clients["us-east-1"].put_metric_data(
            Namespace="AWS/Route53",
            MetricData=[
                {
                    "MetricName": "HealthCheckStatus",
                    "Dimensions": [{"Name": "HealthCheckId", "Value": record.check}],
                    "Value": float(well),
                }
            ],
        )

    def _look(self) -> set[str]:
        found = set()
        for client in self._clients.values():
            for page in client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=self._prefix):
                firing = [each for each in page["MetricAlarms"] if each["StateValue"] == "ALARM"]
                found |= {self._short(each) for each in firing}
                self._stuck |= {self._short(each) for each in firing if each.get("Namespace") in self._lasting}
        return found

    def _short(self, alarm: Any) -> str:
        return str(alarm["AlarmName"]).removeprefix(self._prefix)

    def _watch(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        while not self._stop.wait(LOOK_S):
            try:
                now = self._look()
            except (BotoCoreError, ClientError):
                continue  # asked too often, say: the next look sees what this one did not
            for what, names in (("alarm fires", now - self.firing), ("alarm clears", self.firing - now)):
                for name in sorted(names):
                    self._note(what, name)
            self.fired |= now - self.firing
            self.firing = now
