"""The public name as Route 53 answers it: latency or failover records, health checks, and what clients remember.

The emulator keeps records and health checks and looks at nothing; here somebody does, with the interval, the
threshold and the time to live that are deployed. How health is judged is Amazon Route 53's Developer Guide, "How
Amazon Route 53 determines the health of an endpoint": an endpoint that fails `FailureThreshold` checks in a row is
unhealthy, one that passes so many is healthy again, and where all are unhealthy all are answered; of failover records
the primary then. A real check comes from many places of the world at once; this one comes from one, so it sees a
failure up to one interval later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

CHECK_TIMEOUT_S = 4.0
"""What Route 53 grants an endpoint to accept and answer; the guide allows 4 s to connect and 2 s more to answer."""


@dataclass(frozen=True)
class Record:
    """One answer that the name can give.

    Parameters
    ----------
    region : str
        The region of its latency record, or by which its failover record is set apart.
    ttl_s : float
        How long clients remember it.
    interval_s : float
        Between two health checks.
    threshold : int
        How many checks in a row change the verdict.
    role : str
        Of a failover record: ``PRIMARY`` or ``SECONDARY``.
    check : str
        The health check's id.
    """

    region: str
    ttl_s: float
    interval_s: float
    threshold: int
    role: str = ""
    check: str = ""


def deployed(route53: Any, zone: str, name: str) -> list[Record]:
    """Read a public name's latency or failover records and their health checks.

    Parameters
    ----------
    route53 : boto3 client
        Of the deployed stack.
    zone, name : str
        The hosted zone's id and the full name of the record.

    Raises
    ------
    LookupError
        The name has no such records with health checks.
    """
    found = []
    for each in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]:
        role = each.get("Failover", "")
        region = each["SetIdentifier"] if role else each.get("Region")
        if each["Name"].rstrip(".") == name and region and each.get("HealthCheckId"):
            check = route53.get_health_check(HealthCheckId=each["HealthCheckId"])["HealthCheck"]["HealthCheckConfig"]
            interval, threshold = check.get("RequestInterval", 30), check.get("FailureThreshold", 3)
            ttl, id = float(each.get("TTL", 60)), str(each["HealthCheckId"])
            found.append(Record(region, ttl, float(interval), int(threshold), role, id))
    if not found:
        raise LookupError(f"{name} has no latency or failover records with health checks")
    return sorted(found, key=lambda each: each.region)


class Resolver:
    """Checks the regions' health, and answers clients.

    Parameters
    ----------
    records : sequence of Record
        What is deployed.
    healthy : callable
        Asks one region, with a patience in seconds.
    note : callable
        Is told when a region becomes ``unhealthy`` or ``healthy``.
    hurry : float
        By how much all times are divided; 1 is as deployed.
    report : callable
        Is told the verdict after each check, for the metric that Route 53 writes.
    """

    def __init__(
        self,
        records: Sequence[Record],
        healthy: Callable[[str, float], bool],
        note: Callable[[str, str], None],
        hurry: float = 1.0,
        report: Callable[[Record, bool], None] = lambda record, well: None,
    ) -> None:
        self.records = {each.region: each for each in records}
        self.primary = next((each.region for each in records if each.role == "PRIMARY"), "")
        self._ask, self._note, self._hurry, self._report = healthy, note, hurry, report
        self._healthy = dict.fromkeys(self.records, True)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(each,), name=f"health of {each.region}", daemon=True)
            for each in records
        ]

    def start(self) -> None:
        """Begin to check."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Check no more."""
        self._stop.set()
        for each in self._threads:
            if each.ident is not None:
                each.join(timeout=CHECK_TIMEOUT_S + 1)

    @property
    def healthy(self) -> list[str]:
        """The regions that are answered: the healthy ones, and all where none is."""
        return [region for region, well in self._healthy.items() if well] or list(self._healthy)

    def usual(self, home: str) -> str:
        """Return the region to which a client is led while all are healthy: the primary, or the nearest."""
        return self.primary or (home if home in self.records else next(iter(self.records)))

    def answer(self, home: str) -> tuple[str, float]:
        """Return a client's usual region, or another if that is not healthy; and how long to remember it (seconds)."""
        usual = self.usual(home)
        region = usual if usual in self.healthy else self.healthy[0]
        return region, self.records[region].ttl_s / self._hurry

    def client(self, home: str) -> Client:
        """Return a client's own memory of the name."""
        return Client(self, home)

    def _watch(self, record: Record) -> None:
        """Check one region until the end; a check that takes long delays the next one, as it does there."""
        row, last = 0, True
        while not self._stop.is_set():
            began = time.monotonic()
            well = self._ask(record.region, max(CHECK_TIMEOUT_S / self._hurry, 1.0))
            row, last = (row + 1 if well == last else 1), well
            if row >= record.threshold and well != self._healthy[record.region]:
                self._healthy[record.region] = well
                self._note("healthy" if well else "unhealthy", record.region)
            self._report(record, self._healthy[record.region])
            self._stop.wait(max(0.0, record.interval_s / self._hurry - (time.monotonic() - began)))


class Client:
    """What a client remembers of the name: an answer is asked for again when its time to live is over."""

    def __init__(self, resolver: Resolver, home: str) -> None:
        self._resolver, self._home = resolver, home
        self._region, self._until = "", 0.0

    def region(self) -> str:
        """Return the region to call."""
        if time.monotonic() >= self._until:
            self._region, ttl = self._resolver.answer(self._home)
            self._until = time.monotonic() + ttl
        return self._region
