"""What a journal says: how long clients were without service, what was out of reach, what is lost.

The words are those of ISO 22301 as cloud vendors use them. *RTO* is measured, not promised: from the fault's
beginning until the affected clients are served again for good. *RPO* is what the survivor lacks at the moment at
which clients are led to it: acknowledged writes, and the age of the oldest. That is a window in which data was out of
reach; *loss* is what is still missing when all is over.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from infra.drill.journal import Call, Event
from infra.drill.workload import Found

Content = Mapping[str, Mapping[str, Found]]
"""By region: what it holds, by key."""


@dataclass(frozen=True)
class Window:
    """The time of the fault, and the region that it strikes."""

    begin: float
    end: float
    region: str


@dataclass(frozen=True)
class Latencies:
    """Percentiles of the acknowledged calls of a phase, in milliseconds, and how many calls there were and failed."""

    phase: str
    calls: int
    failed: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Missing:
    """A key of which a region lacks acknowledged writes."""

    key: str
    acknowledged: int
    found: int
    region: str
    age_s: float = 0.0


@dataclass(frozen=True)
class Reach:
    """What was out of reach of one path: how many keys, and the age of the oldest write, in seconds."""

    path: str
    keys: int
    age_s: float


@dataclass(frozen=True)
class Measures:
    """What one drill found.

    Parameters
    ----------
    detection_s : float or None
        From the fault to the verdict *unhealthy*; None where the check never failed.
    failover_s : float or None
        From the fault to the first good write, through the public name, of a client whom the name led to the struck
        region before.
    rto_s : float or None
        From the fault to the first of those that no failed call of such a client follows while the fault lasts; None
        where they were not served again before it ended. 0 where none of their calls failed.
    out_of_reach : tuple of Missing
        Acknowledged writes that the survivor lacked when clients were led to it.
    rpo_s : float
        The age of the oldest of them at the fault's beginning.
    reach : tuple of Reach
        The same, by path.
    lost : tuple of Missing
        Acknowledged writes that a region lacks when all is over.
    doubled : tuple of str
        Keys that the store has written more often than their client wrote them.
    mixed : tuple of str
        Keys that are made of parts of different writes.
    differing : tuple of str
        Keys that the regions hold different versions of.
    back_in_time : tuple of str
        Keys of reads that showed less than the same client had written or seen before.
    overruled : tuple of str
        Keys that several clients write, of which another write is there than the last acknowledged one: regions that
        don't see each other take both, and one is shown.
    latencies : tuple of Latencies
        Before, during and after the fault.
    writes, acknowledged, reads : int
        What the clients did.
    late, late_refused : int
        Old writes that were sent again after the fault, and how many were refused.
    late_effective : tuple of str
        Keys that one of them changed.
    alarms : tuple of str
        The alarms that fired.
    broken : tuple of str
        The invariants that did not hold, in words.
    """

    detection_s: float | None
    failover_s: float | None
    rto_s: float | None
    out_of_reach: tuple[Missing, ...]
    rpo_s: float
    reach: tuple[Reach, ...]
    lost: tuple[Missing, ...]
    doubled: tuple[str, ...]
    mixed: tuple[str, ...]
    differing: tuple[str, ...]
    back_in_time: tuple[str, ...]
    overruled: tuple[str, ...]
    latencies: tuple[Latencies, ...]
    writes: int
    acknowledged: int
    reads: int
    late: int = 0
    late_refused: int = 0
    late_effective: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    broken: tuple[str, ...] = field(default=())


def measure(
    calls: Sequence[Call],
    events: Sequence[Event],
    window: Window,
    survivor: Mapping[str, Found] | None,
    final: Content,
    shared: Collection[str] = (),
    led_to: Mapping[str, str] | None = None,
) -> Measures:
    """Return what a drill found.

    Parameters
    ----------
    calls, events : sequence
        The journal.
    window : Window
        The fault.
    survivor : mapping or None
        What the other region held when clients were led to it; None where they never were.
    final : mapping
        What each region holds when all is over.
    shared : collection of str
        The paths whose keys have several writers: nobody can say which write is the newest, so what is there must be
        one of them, the same everywhere.
    led_to : mapping, optional
        By a client's home: the region to which the name leads it while all is well; the home itself unless given.
    """
    writes = [each for each in calls if each.action == "write"]
    own = [each for each in writes if each.path not in shared]
    common = [each for each in writes if each.path in shared]
    affected = [each for each in calls if (led_to or {}).get(each.home, each.home) == window.region]
    led = _first(events, "unhealthy", window)
    missing = _missing(own, survivor or {}, "", before=window.begin) if survivor is not None else ()
    return Measures(
        detection_s=None if led is None else led - window.begin,
        failover_s=_failover(affected, window),
        rto_s=_rto(affected, window),
        out_of_reach=missing,
        rpo_s=max((each.age_s for each in missing), default=0.0),
        reach=_reach(missing, own),
        lost=tuple(each for region in sorted(final) for each in _missing(own, final[region], region)),
        doubled=_doubled(own, final),
        mixed=_mixed(final, common),
        differing=_differing(final),
        back_in_time=_back_in_time([each for each in calls if each.path not in shared]),
        overruled=_overruled(common, final),
        latencies=tuple(_latencies(calls, window)),
        writes=len(writes),
        acknowledged=sum(each.ok for each in writes),
        reads=sum(each.action == "read" and each.ok for each in calls),
    )


def _first(events: Iterable[Event], what: str, window: Window) -> float | None:
    return min(
        (e.at for e in events if e.what == what and e.region == window.region and e.at >= window.begin), default=None
    )


def _failover(affected: Iterable[Call], window: Window) -> float | None:
    good = [each.end for each in affected if each.action == "write" and each.ok and _within(each, window)]
    return max(0.0, min(good) - window.begin) if good else None


def _rto(affected: Sequence[Call], window: Window) -> float | None:
    failures = [each.end for each in affected if not each.ok and _within(each, window)]
    if not failures:
        return 0.0
    again = [
        each.end
        for each in affected
        if each.action == "write" and each.ok and max(failures) < each.end <= window.end and each.at >= window.begin
    ]
    return min(again) - window.begin if again else None


def _within(call: Call, window: Window) -> bool:
    return window.begin <= call.at and call.end <= window.end


def _missing(
    writes: Iterable[Call], held: Mapping[str, Found], region: str, before: float = math.inf
) -> tuple[Missing, ...]:
    """Return the keys of which content lacks writes that were acknowledged before a moment."""
    newest: dict[str, list[Call]] = defaultdict(list)
    for each in writes:
        if each.ok and each.end < before:
            newest[each.key].append(each)
    found = []
    for key, acknowledged in sorted(newest.items()):
        has = held[key].seq if key in held else -1
        lacking = [each for each in acknowledged if each.seq > has]
        if lacking:
            age = before - min(each.end for each in lacking) if before < math.inf else 0.0
            found.append(Missing(key, max(each.seq for each in lacking), has, region, age))
    return tuple(found)


def _reach(missing: Sequence[Missing], writes: Iterable[Call]) -> tuple[Reach, ...]:
    path_of = {each.key: each.path for each in writes}
    ages: dict[str, list[float]] = defaultdict(list)
    for each in missing:
        ages[path_of[each.key]].append(each.age_s)
    return tuple(Reach(path, len(found), max(found)) for path, found in sorted(ages.items()))


def _mixed(final: Content, common: Iterable[Call]) -> tuple[str, ...]:
    """Return keys made of two writes, and keys of several writers that hold what none of them wrote."""
    written: dict[str, set[int]] = defaultdict(set)
    for each in common:
        written[each.key].add(each.seq)
    found = {
        key
        for held in final.values()
        for key, each in held.items()
        if each.mixed or (key in written and each.seq not in written[key])
    }
    return tuple(sorted(found))


def _overruled(common: Iterable[Call], final: Content) -> tuple[str, ...]:
    last = {each.key: each.seq for each in sorted(common, key=lambda one: one.end) if each.ok}
    return tuple(
        sorted({key for held in final.values() for key, seq in last.items() if key not in held or held[key].seq != seq})
    )


def _doubled(writes: Iterable[Call], final: Content) -> tuple[str, ...]:
    wanted: dict[str, int] = defaultdict(int)
    for each in writes:
        wanted[each.key] += 1
    return tuple(
        sorted({key for held in final.values() for key, each in held.items() if each.version > wanted.get(key, 0) > 0})
    )


def _differing(final: Content) -> tuple[str, ...]:
    keys = {key for held in final.values() for key in held}
    return tuple(sorted(key for key in keys if len({held.get(key) for held in final.values()}) > 1))


def _back_in_time(calls: Iterable[Call]) -> tuple[str, ...]:
    """Compare each read with what its client knew: a key has one client, and that does one call at a time."""
    known: dict[str, int] = defaultdict(lambda: -1)
    found = set()
    for each in sorted(calls, key=lambda one: one.end):
        if each.ok and each.action == "read" and each.seq < known[each.key]:
            found.add(each.key)
        if each.ok:
            known[each.key] = max(known[each.key], each.seq)
    return tuple(sorted(found))


def _latencies(calls: Sequence[Call], window: Window) -> Iterable[Latencies]:
    phases: dict[str, Callable[[Call], bool]] = {
        "before": lambda each: each.end < window.begin,
        "fault": lambda each: window.begin <= each.end and each.at <= window.end,
        "after": lambda each: each.at > window.end,
    }
    for phase, belongs in phases.items():
        own = [each for each in calls if belongs(each)]
        took = sorted(each.took_s * 1000 for each in own if each.ok)
        points = (percentile(took, share) for share in (0.5, 0.95, 0.99))
        yield Latencies(phase, len(own), sum(not each.ok for each in own), *points)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of ordered values lies (nearest rank); 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
