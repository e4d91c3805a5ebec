"""Replication between regions: writes that wait, arrive in order, and lose against newer ones.

This is the part that knows nothing of AWS: how long a write travels, the queue, and who wins. ``aws_replication.py``
puts it into the emulator, in the gateway's process, so neither imports anything from ``infra``. docs/replication.md
has the figures' sources, and what is not as on AWS.
"""

from __future__ import annotations

import heapq
import json
import logging
import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger("replication")

ADDRESS = "/_orrery/replication"
P95 = 1.6448536269514722
"""How many standard deviations the 95th percentile of a normal distribution is above its median."""
LONGEST_S = 900.0
"""No write travels longer, as long as its link is up: the 15 minutes that S3 promises."""
LAST_WRITER_WINS = frozenset({"dynamodb"})
"""Services that drop a write which is older than what is there. S3 keeps all versions, and orders them by time."""

# ------------------------------------------------------------------------------------------ how long


@dataclass(frozen=True)
class Pace:
    """How long a service's writes travel: lognormal, by its median and its 95th percentile.

    Parameters
    ----------
    median_ms, p95_ms : float
        In milliseconds. Both 0: at once. Both the same: always so long.
    seed : int
        The same seed gives the same times, counted from when it was set, for each pair of regions.
    """

    median_ms: float
    p95_ms: float
    seed: int = 0

    def draw(self, generator: random.Random) -> float:
        """Return the seconds that one write travels."""
        if not self.median_ms:
            return 0.0
        spread = math.log(self.p95_ms / self.median_ms) / P95
        return min(self.median_ms * math.exp(generator.normalvariate(0.0, spread)) / 1000, LONGEST_S)


PACES: dict[str, dict[str, Pace]] = {
    "fast": {"dynamodb": Pace(100, 250), "s3": Pace(250, 750)},
    "public": {"dynamodb": Pace(500, 1000), "s3": Pace(2000, 8000)},
    "off": {"dynamodb": Pace(0, 0), "s3": Pace(0, 0)},
}
"""Paces with a name. ``fast`` is usual: a second pair of eyes must not wait. ``public`` is what AWS says of itself."""
USUAL = PACES["fast"]


def pace_from(table: Any) -> Pace:
    """Make a pace from what a request says.

    Raises
    ------
    ValueError
        With the reason.
    """
    if not isinstance(table, dict) or not {"median_ms", "p95_ms"} <= set(table) <= {"median_ms", "p95_ms", "seed"}:
        raise ValueError("a pace has median_ms and p95_ms, and may have a seed")
    numbers = [table["median_ms"], table["p95_ms"]]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in numbers):
        raise ValueError("median_ms and p95_ms are numbers")
    median, p95 = numbers
    if not 0 <= median <= p95 <= LONGEST_S * 1000 or (p95 and not median):
        raise ValueError(f"median_ms is not above p95_ms, which is at most {LONGEST_S * 1000:.0f}; 0 and 0 is at once")
    seed = table.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed is a whole number, not {seed!r}")
    return Pace(float(median), float(p95), seed)


class Paces:
    """The paces that hold now, and the generators that they draw from.

    Parameters
    ----------
    memory : Path, optional
        The file that keeps them when this process is killed.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self.memory = memory
        self.now = dict(USUAL)
        self.generators: dict[tuple[str, str, str], random.Random] = {}

    def set(self, wanted: Mapping[str, Pace]) -> None:
        """Set some services' paces; what is on its way keeps the time that it has."""
        self.now |= wanted
        self.generators = {road: each for road, each in self.generators.items() if road[0] not in wanted}
        if self.memory:
            temporary = self.memory.with_name(f".{self.memory.name}.new")
            temporary.write_text(json.dumps(self.as_tables()))
            temporary.replace(self.memory)

    def recall(self) -> None:
        """Take back what was set when this process was killed."""
        try:
            found = json.loads(self.memory.read_text()) if self.memory else {}
            self.now |= {service: pace_from(table) for service, table in found.items() if service in USUAL}
        except (OSError, ValueError, AttributeError):
            log.info("no paces to take back")  # a first start

    def draw(self, service: str, source: str, target: str) -> float:
        """Return the seconds that the next write of a service travels from region to region."""
        pace, road = self.now[service], (service, source, target)
        if road not in self.generators:
            self.generators[road] = random.Random(f"{pace.seed}/{source}/{target}")
        return pace.draw(self.generators[road])

    def as_tables(self) -> dict[str, Any]:
        """Return them as a request has them."""
        return {service: asdict(pace) for service, pace in self.now.items()}


# --------------------------------------------------------------------------------------------- queue

Link = tuple[str, str]
Item = tuple[str, str, str, str, str]


@dataclass(eq=False)
class Write:
    """One write on its way to one region.

    Parameters
    ----------
    service, account : str
        Whose.
    source, target : str
        The regions.
    place, key : str
        Where it goes: a table and an item's key, or a bucket and an object's key.
    written, due : float
        When it was written, and when it arrives if the link is up; in seconds since 1970.
    payload : dict
        What `Queue` hands on.
    stream : tuple of str
        What it is counted under in the readings; empty: nowhere.
    """

    service: str
    account: str
    source: str
    target: str
    place: str
    key: str
    written: float
    due: float
    payload: dict[str, Any]
    stream: tuple[str, ...] = ()
    number: int = 0
    dropped: bool = False

    @property
    def link(self) -> Link:
        """The regions that it travels between."""
        return self.source, self.target

    @property
    def item(self) -> Item:
        """What it changes."""
        return self.service, self.account, self.target, self.place, self.key


@dataclass(frozen=True)
class Reading:
    """What one stream of writes did since the last reading."""

    service: str
    account: str
    source: str
    target: str
    stream: tuple[str, ...]
    mean_s: float
    longest_s: float
    pending: int


@dataclass
class Traffic:
    """What is known of a stream since its last reading."""

    arrived: list[float] = field(default_factory=list)
    stirred: float = 0.0
    read: float = 0.0


class Queue:
    """Writes on their way, of all services between all regions.

    Writes of one item from one region arrive in the order in which they were written. All times come from one clock
    that never stands still, so the rule *the last writer wins* needs no time beside the item: when a write takes effect
    somewhere, all older writes of the item that are still on their way there have lost, and no older one can come.
    Only where a region's clock goes wrong can an older one come; from then on the times of what took effect are kept.

    Parameters
    ----------
    apply : callable
        Lets a write take effect where it goes.
    delay : callable
        Gives the seconds that a write travels: by service, source, target.
    down : callable
        Tells whether the link from a region to another is down.
    hold : callable, optional
        Hears of each write that has to wait for its link.
    clock : callable
        The time in seconds since 1970.
    ahead : callable
        How many seconds a region's own clock is ahead of it.
    """

    QUIET_S = 5.0
    FORGOTTEN_S = 900.0

    def __init__(
        self,
        apply: Callable[[Write], None],
        delay: Callable[[str, str, str], float],
        down: Callable[[str, str], bool],
        hold: Callable[[Write], None] = lambda write: None,
        clock: Callable[[], float] = time.time,
        ahead: Callable[[str], float] = lambda region: 0.0,
    ) -> None:
        self.ahead = ahead
        self.apply = apply
        self.delay = delay
        self.down = down
        self.hold = hold
        self.clock = clock
        self.items: dict[Item, list[Write]] = {}
        self.held: dict[Link, list[Write]] = {}
        self.traffic: defaultdict[tuple[str, ...], Traffic] = defaultdict(Traffic)
        self.counts = {"applied": 0, "superseded": 0, "failed": 0}
        self.effective: dict[Item, float] = {}
        """When what is there was written, of items that were written since a region's clock went wrong."""
        self.wake: Callable[[], None] = lambda: None
        """Called when there is something new to look at, from any thread."""
        self._wrong = False
        self._heap: list[tuple[float, int, Write]] = []
        self._last = 0.0
        self._number = 0
        self._lock = threading.RLock()

    def now(self) -> float:
        """Return the time of a write that happens now: later than that of any write before."""
        with self._lock:
            self._last = max(self.clock(), self._last + 1e-6)
            return self._last

    def stamp(self, item: Item, at: float) -> float:
        """Return a time as the clock of an item's region has it, but later than that of what the region holds."""
        ahead = self.ahead(item[2])
        with self._lock:
            self._wrong = self._wrong or bool(ahead)
            return max(at + ahead, self.effective.get(item, 0.0) + 1e-6)

    def add(self, write: Write) -> None:
        """Take a write on its way; its ``due`` is when it was written, and how long it travels is added here."""
        with self._lock:
            self._last = max(self._last, write.due)  # when it happened, whatever its region's clock says
            self._number += 1
            write.number = self._number
            before = self.items.setdefault(write.item, [])
            travels = self.delay(write.service, write.source, write.target)
            # Not before an older write of the same item, whose way took longer.
            write.due = max([write.due + travels, *(each.due for each in before if each.source == write.source)])
            before.append(write)
            heapq.heappush(self._heap, (write.due, write.number, write))
        self.wake()

    def supersede(self, item: Item, at: float) -> None:
        """Drop the writes of an item that are older than one that took effect where they go."""
        with self._lock:
            if self._wrong:
                self.effective[item] = at
            for write in [each for each in self.items.get(item, ()) if each.written < at]:
                self._leave(write)
                self.counts["superseded"] += 1

    def tick(self, most: int = 100) -> int:
        """Let what is due take effect, and return how many writes that were; call it again when there were any."""
        with self._lock:
            ready = self._ready(most)
        for write in ready:
            if write.dropped:
                continue  # one before it in this round was newer
            if write.service in LAST_WRITER_WINS and self.effective.get(write.item, 0.0) > write.written:
                with self._lock:
                    self._leave(write)
                    self.counts["superseded"] += 1
                continue
            try:
                self.apply(write)
                self.counts["applied"] += 1
            except Exception:  # whatever the emulator raises: the writes behind this one have to arrive all the same
                log.exception("a write did not arrive: %s", write)
                self.counts["failed"] += 1
            with self._lock:
                self._leave(write)
                if write.service in LAST_WRITER_WINS:
                    self.supersede(write.item, write.written)
                if write.stream:
                    self.traffic[self._stream(write)].arrived.append(max(0.0, self.clock() - write.written))
        return len(ready)

    def _ready(self, most: int) -> list[Write]:
        for link in [each for each in self.held if not self.down(*each)]:
            for write in self.held.pop(link):
                heapq.heappush(self._heap, (write.due, write.number, write))
        ready: list[Write] = []
        while self._heap and self._heap[0][0] <= self.clock() and len(ready) < most:
            write = heapq.heappop(self._heap)[2]
            if write.dropped:
                continue
            if self.down(*write.link):
                self.held.setdefault(write.link, []).append(write)
                self.hold(write)
            else:
                ready.append(write)
        return ready

    def _leave(self, write: Write) -> None:
        write.dropped = True
        left = [each for each in self.items.get(write.item, ()) if each is not write]
        if left:
            self.items[write.item] = left
        else:
            self.items.pop(write.item, None)

    def next_due(self) -> float | None:
        """Return when the next write may arrive; None while all wait for their links, or there is none."""
        with self._lock:
            return self._heap[0][0] if self._heap else None

    def pending(self) -> Iterator[Write]:
        """Return the writes on their way, in the order in which they were written."""
        found = [write for writes in list(self.items.values()) for write in writes]
        return iter(sorted(found, key=lambda write: (write.written, write.number)))

    # -- readings ----------------------------------------------------------------------------------------------

    @staticmethod
    def _stream(write: Write) -> tuple[str, ...]:
        return write.service, write.account, write.source, write.target, *write.stream

    def readings(self) -> list[Reading]:
        """Return what each stream did since the last call: how long its writes took, or its oldest one waits.

        A stream where nothing happens is read every few seconds, and forgotten after a quarter of an hour.
        """
        now, waiting = self.clock(), defaultdict(list)
        for write in self.pending():
            if write.stream:
                waiting[self._stream(write)].append(max(0.0, now - write.written))
        found = []
        for stream in {*self.traffic, *waiting}:
            traffic, ages = self.traffic[stream], waiting.get(stream, [])
            if traffic.arrived or ages:
                traffic.stirred = now
            elif now - traffic.stirred > self.FORGOTTEN_S:
                del self.traffic[stream]
                continue
            elif now - traffic.read < self.QUIET_S:
                continue
            arrived, traffic.arrived, traffic.read = traffic.arrived, [], now
            mean = sum(arrived) / len(arrived) if arrived else max(ages, default=0.0)
            service, account, source, target, *rest = stream
            longest = max([*arrived, *ages], default=0.0)
            found.append(Reading(service, account, source, target, tuple(rest), mean, longest, len(ages)))
        return found

    def listing(self) -> list[dict[str, Any]]:
        """Return how much is on its way from where to where."""
        now, found = self.clock(), dict[tuple[str, ...], dict[str, Any]]()
        for write in self.pending():
            each = found.setdefault(
                (write.service, *write.link, write.place),
                {
                    "service": write.service,
                    "source": write.source,
                    "target": write.target,
                    "place": write.place,
                    "writes": 0,
                    "oldest_s": round(max(0.0, now - write.written), 3),
                    "link_down": self.down(*write.link),
                },
            )
            each["writes"] += 1
        return list(found.values())

    # -- outliving the process ---------------------------------------------------------------------------------

    def export(self, service: str) -> list[dict[str, Any]]:
        """Return a service's writes as plain data; takes no lock, because a forked child calls it."""
        names = ("account", "source", "target", "place", "key", "written", "due", "payload", "stream")
        return [{name: getattr(w, name) for name in names} for w in self.pending() if w.service == service]

    def restore(self, service: str, found: list[dict[str, Any]]) -> None:
        """Take back what was on its way, with the times that it had."""
        with self._lock:
            for table in found:
                self._number += 1
                write = Write(service=service, **{**table, "stream": tuple(table["stream"])}, number=self._number)
                self._last = max(self._last, write.written)
                self.items.setdefault(write.item, []).append(write)
                heapq.heappush(self._heap, (write.due, write.number, write))
        self.wake()
