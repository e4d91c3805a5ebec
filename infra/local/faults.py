"""Faults on purpose: what one is, who set it and until when, and what it does to a byte stream.

Two processes use it: the gateway (``aws_gateway.py``), which applies faults to the requests of the local AWS with
``aws_faults.py``, and this file itself, run in front of a service that doesn't speak HTTP
(``python -P faults.py settings.json``, in the environment ``local``). So it imports nothing from ``infra``.
docs/faults.md has the kinds, the file's format and what a fault can't do.

Every set of faults has an owner, and may have a lease: when nobody renews it, it ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import math
import random
import re
import signal
import socket
import struct
import sys
import termios
import time
import tomllib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("faults")

HOST = "127.0.0.1"
ADDRESS = "/_orrery/faults"
OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
PATTERN = re.compile(r"(?:[A-Z]+|\*) /\S*")
LONGEST_S = 600.0
LARGEST_REQUEST = 1 << 20
PIECE = 64 * 1024
P95 = 1.6448536269514722
"""How many standard deviations the 95th percentile of a normal distribution is above its median."""

# -------------------------------------------------------------------------------------- definitions

KINDS: dict[str, tuple[str, ...]] = {
    "refuse": (),
    "hang": ("share", "seed"),
    "delay": ("share", "seed", "latency_ms"),
    "throttle": ("share", "seed", "bytes_per_s"),
    "drop": ("share", "seed", "after_bytes"),
    "error": ("share", "seed", "status", "code"),
    "skew": ("ahead_s",),
}
"""Each kind, and the keys that it takes beside those that say where."""

LINK_KINDS: dict[str, tuple[str, ...]] = {"hang": (), "delay": ("share", "seed", "latency_ms"), "skew": ("ahead_s",)}
"""The kinds that a link between regions knows, and what they take beside region and service."""

NEEDED = {"delay": "latency_ms", "throttle": "bytes_per_s", "drop": "after_bytes", "skew": "ahead_s"}


class Mistake(ValueError):
    """A definition that is refused.

    Parameters
    ----------
    reason : str
        What is wrong, in one line.
    key : str
        The key that it is about; empty for the whole table.
    others : sequence of str
        The other mistakes of the same file, a line each.
    """

    def __init__(self, reason: str, key: str = "", others: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.key = key
        self.others = others


@dataclass(frozen=True)
class Front:
    """What stands in front of a service, and so which faults it can cause.

    Parameters
    ----------
    services : collection of str
        The services that requests are for; a fault of any other would never meet one.
    regions : sequence of str
        The regions that have a port; none for what has no regions.
    aliases : mapping
        Other names of services.
    operations : mapping
        Services whose operations are told by method and path, and those that have a name.
    http : bool
        False where only bytes are seen: no operations, and no answers of its own.
    links : collection of str
        What is named as a service and is none: no request is for it, data travels through it between regions.
    """

    services: frozenset[str]
    regions: Sequence[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    operations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    http: bool = True
    links: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Latency:
    """A distribution of delays, in milliseconds: constant, uniform or lognormal."""

    shape: str
    first: float
    second: float = 0.0

    def draw(self, generator: random.Random) -> float:
        """Return one delay in seconds."""
        if self.shape == "constant":
            value = self.first
        elif self.shape == "uniform":
            value = generator.uniform(self.first, self.second)
        else:
            value = self.first * math.exp(generator.normalvariate(0.0, math.log(self.second / self.first) / P95))
        return min(value / 1000, LONGEST_S)

    def as_value(self) -> Any:
        """Return it as a definition has it."""
        if self.shape == "constant":
            return self.first
        low, high = ("low", "high") if self.shape == "uniform" else ("median", "p95")
        return {low: self.first, high: self.second}


class Call(Protocol):
    """What a fault is compared with: one request, or one connection."""

    port: str
    """The region whose port it came through."""
    region: str
    """The region that it is for."""
    service: str

    def does(self, operation: str) -> bool:
        """Tell whether it is an operation: by name, or by a pattern such as ``GET /users/*``."""


@dataclass(frozen=True)
class Fault:
    """One fault; `from_table` makes it and says what is wrong with it.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    region, service, operation : str
        Where; empty means any.
    share : float
        Which share of the calls it strikes, above 0 and at most 1.
    seed : int
        The same seed strikes the same calls, counted from when the fault was set.
    latency : Latency
        Of a delay.
    bytes_per_s, after_bytes, status, code
        Of the kinds throttle, drop and error.
    ahead_s : int
        Of a skew: how far the clock of a region is ahead when it says when a write was made; below 0 it is behind.
    """

    kind: str
    region: str = ""
    service: str = ""
    operation: str = ""
    share: float = 1.0
    seed: int = 0
    latency: Latency = Latency("constant", 0.0)
    bytes_per_s: int = 0
    after_bytes: int = 0
    status: int = 503
    code: str = ""
    ahead_s: int = 0

    def meets(self, call: Call) -> bool:
        """Tell whether a call is where this fault is.

        A fault of a service is where requests are for: that service of that region, through whichever port. One
        without a service is of the region's network: all that passes its port, and all that is for it.
        """
        if self.service:
            if call.service != self.service or (self.region and call.region != self.region):
                return False
        elif self.region and self.region not in (call.port, call.region):
            return False
        return not self.operation or call.does(self.operation)

    def as_table(self) -> dict[str, Any]:
        """Return it as a definition, without what is usual."""
        table: dict[str, Any] = {"kind": self.kind}
        table |= {key: value for key in ("region", "service", "operation") if (value := getattr(self, key))}
        values = {key: getattr(self, key, None) for key in KINDS[self.kind]}
        if self.kind == "delay":
            values["latency_ms"] = self.latency.as_value()
        usual = {"share": 1.0, "seed": 0, "code": ""}
        return table | {key: value for key, value in values.items() if value != usual.get(key)}

    def __str__(self) -> str:
        """Return the definition in one line."""
        table = self.as_table()
        latency = table.get("latency_ms")
        if isinstance(latency, dict):
            table["latency_ms"] = ",".join(f"{key}={value:g}" for key, value in latency.items())
        return " ".join(f"{key}={value}" if key != "kind" else value for key, value in table.items())


def from_table(table: Any, front: Front) -> Fault:
    """Make a fault from a definition.

    Raises
    ------
    Mistake
        The definition is wrong, or can't be at this front.
    """
    if not isinstance(table, dict):
        raise Mistake("a fault is a table of keys and values")
    kind = table.get("kind")
    if kind not in KINDS:
        raise Mistake(f"kind is one of {', '.join(KINDS)}, not {kind!r}" if kind else "the kind is missing", "kind")
    if kind == "skew" and (table.get("service") not in front.links or not table.get("region")):
        raise Mistake("a skew is of a region's clock: it needs a region, and service = replication", "kind")
    if kind == "error" and not front.http:
        raise Mistake("only HTTP has errors; here there are refuse, hang, delay, throttle, drop", "kind")
    places = (["region"] if front.regions else []) + ["service"] + (["operation"] if front.http else [])
    if kind == "refuse" and front.http:
        places = ["region"]  # a port refuses before anybody says what for
    takes: Sequence[str] = KINDS[kind]
    link = table.get("service")
    if isinstance(link, str) and link in front.links:
        if kind not in LINK_KINDS:
            raise Mistake(f"{link} takes {', '.join(LINK_KINDS)}, not {kind}", "kind")
        places, takes = ["region", "service"], LINK_KINDS[kind]
    for key in table:
        if key not in ("kind", *places, *takes):
            raise Mistake(f"{kind} takes {', '.join([*places, *takes])}, not {key}", key)
    if kind in NEEDED and NEEDED[kind] not in table:
        raise Mistake(f"{kind} needs {NEEDED[kind]}")
    values = {"kind": kind, **_where(table, front)}
    if "latency_ms" in table:
        values["latency"] = _latency(table["latency_ms"])
    if "share" in table:
        values["share"] = _number(table, "share", above=0, at_most=1)
    for key, least, most in (
        ("seed", -(2**63), 2**63),
        ("bytes_per_s", 1, 10**12),
        ("after_bytes", 0, 10**12),
        ("status", 400, 599),
        ("ahead_s", -3600, 3600),
    ):
        if key in table:
            values[key] = _whole(table, key, least, most)
    if "code" in table:
        values["code"] = _text(table, "code")
        if not re.fullmatch(r"[A-Za-z][\w.]*", values["code"]):
            raise Mistake(f"code is an error's name, such as SlowDown, not {values['code']!r}", "code")
    return Fault(**values)


def _where(table: Mapping[str, Any], front: Front) -> dict[str, str]:
    found = {key: _text(table, key) for key in ("region", "service", "operation") if key in table}
    region, service, operation = (found.get(key, "") for key in ("region", "service", "operation"))
    if region and region not in front.regions:
        raise Mistake(f"region {region!r} has no port of its own; these have: {', '.join(front.regions)}", "region")
    service = front.aliases.get(service, service)
    if service and service not in front.services and service not in front.links:
        near = [name for name in sorted({*front.services, *front.aliases}) if name[:3] == service[:3]]
        raise Mistake(f"no request is for service {service!r}{'; near: ' + ', '.join(near) if near else ''}", "service")
    if operation and not (NAME.fullmatch(operation) or PATTERN.fullmatch(operation)):
        raise Mistake(
            f"operation is a name (GetItem) or a method and a path (GET /users/*): {operation!r}", "operation"
        )
    known = front.operations.get(service)
    if known is not None and NAME.fullmatch(operation) and operation not in known:
        some = f"these have a name: {', '.join(sorted(known))}" if known else "its operations have no names here"
        raise Mistake(f"{service} is told by method and path, such as 'GET /*'; {some}", "operation")
    return found | ({"service": service} if service else {})


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value:
        raise Mistake(f"{key} is a text, not {value!r}", key)
    return value


def _number(table: Mapping[str, Any], key: str, *, above: float, at_most: float, of: str = "") -> float:
    value = table[key]
    fits = isinstance(value, int | float) and not isinstance(value, bool) and above < value <= at_most
    if not fits:  # also for nan, which compares with nothing
        raise Mistake(f"{of or key} is a number above {above:g}, at most {at_most:g}, not {value!r}", of or key)
    return float(value)


def _whole(table: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = table[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Mistake(f"{key} is a whole number from {least} to {most}, not {value!r}", key)
    return value


def _latency(value: Any) -> Latency:
    one = partial(_number, above=0, at_most=LONGEST_S * 1000, of="latency_ms")
    if not isinstance(value, dict):
        return Latency("constant", one({"value": value}, "value"))
    for shape, low, high in (("uniform", "low", "high"), ("lognormal", "median", "p95")):
        if set(value) == {low, high}:
            made = Latency(shape, one(value, low), one(value, high))
            if made.first >= made.second:
                raise Mistake(f"latency_ms: {high} has to be above {low}", "latency_ms")
            return made
    raise Mistake("latency_ms is a number, {low, high} (uniform) or {median, p95} (lognormal)", "latency_ms")


def from_toml(text: str, name: str, front: Front) -> list[Fault]:
    """Read a definition file: a ``[[fault]]`` table for each fault.

    Raises
    ------
    Mistake
        With the first mistake as ``name:line: reason``, and the others beside it.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = int(found[1]) if found and found[1] else len(text.splitlines()) or 1
        reason = str(error)[: found.start()] if found else str(error)
        raise Mistake(f"{name}:{line}: {reason}") from error
    mistakes = [
        (_line_of(text, key), f"the file has [[fault]] tables, not {key!r}") for key in document if key != "fault"
    ]
    faults, tables = [], document.get("fault")
    if not isinstance(tables, list) or not tables:
        mistakes.append((_line_of(text, "fault"), "there is no [[fault]] table"))
        tables = []
    for number, table in enumerate(tables):
        try:
            faults.append(from_table(table, front))
        except Mistake as error:
            mistakes.append((_line_of(text, error.key, number), str(error)))
    if mistakes:
        lines = [f"{name}:{line}: {reason}" for line, reason in sorted(mistakes)]
        raise Mistake(lines[0], others=lines[1:])
    return faults


def _line_of(text: str, key: str, table: int = -1) -> int:
    """Return the line of a key: in the table so many ``[[fault]]`` down, or anywhere; else that of the table."""
    seen, start = -1, 1
    sought = re.compile(rf"""\s*(?:\[+\s*)?(?:fault\s*\.\s*)?["']?{re.escape(key)}["']?\s*(?:[=.\]]|$)""")
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"""\s*\[\[\s*["']?fault["']?\s*\]\]""", line):
            seen += 1
            if seen == table:
                start = number
        if key and seen == table and sought.match(line):
            return number
        if key and table == -1 and sought.match(line):
            return number
    return start


# ------------------------------------------------------------------------------------------- leases


class Running:
    """A fault that is set: its generator, its bandwidth, and whom it met."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.generator = random.Random(fault.seed)
        self.ended = asyncio.Event()
        self.met = 0
        self.struck = 0
        self.free = {"in": 0.0, "out": 0.0}

    def strikes(self) -> bool:
        """Draw whether this call is struck: by the seed and how many calls were met, nothing else."""
        self.met += 1
        struck = self.generator.random() < self.fault.share
        self.struck += struck
        return struck

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the fault lasts."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), seconds)

    async def delay(self) -> None:
        """Wait for as long as the distribution says."""
        await self.pause(self.fault.latency.draw(self.generator))

    async def throttled(self, data: bytes, way: str, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send bytes as fast as the bandwidth lets them; all who are struck share it, each way its own."""
        size = min(PIECE, max(1, self.fault.bytes_per_s // 20))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if not self.ended.is_set():
                now = time.monotonic()
                self.free[way] = max(now, self.free[way]) + len(piece) / self.fault.bytes_per_s
                await self.pause(self.free[way] - now)
            await send(piece)


@dataclass
class Holding:
    """What one owner set, and until when (None: until it is cleared)."""

    faults: list[Running]
    until: float | None


class Book:
    """All faults that are set in this process, by owner.

    Parameters
    ----------
    front : Front
        What definitions are checked against.
    memory : Path, optional
        The file that brings the faults back when this process was killed.
    """

    def __init__(self, front: Front, memory: Path | None = None) -> None:
        self.front = front
        self.memory = memory
        self.holdings: dict[str, Holding] = {}
        self.active: tuple[Running, ...] = ()
        self.followers: list[Callable[[], Awaitable[None]]] = []
        """Called after each change, such as the ports that may have to refuse."""
        self._stirred = asyncio.Event()

    async def put(self, owner: str, faults: Sequence[Fault], lease_s: float | None = None) -> None:
        """Set an owner's faults in place of those that it had, all at once."""
        old = self.holdings.get(owner)
        self.holdings[owner] = Holding([Running(fault) for fault in faults], until(lease_s))
        await self._changed(old.faults if old else [])

    async def renew(self, owner: str, lease_s: float | None = None) -> bool:
        """Begin an owner's lease anew; False when it has none any more."""
        if owner not in self.holdings:
            return False
        self.holdings[owner].until = until(lease_s)
        self._remember()
        self._stirred.set()
        return True

    async def clear(self, owners: Sequence[str] | None = None) -> list[str]:
        """End the faults of some owners, of all by default; return whose there were."""
        found = [owner for owner in (list(self.holdings) if owners is None else owners) if owner in self.holdings]
        gone = [running for owner in found for running in self.holdings.pop(owner).faults]
        if found:
            await self._changed(gone)
        return found

    async def watch(self) -> None:
        """End what nobody renewed, for as long as this process runs."""
        while True:
            self._stirred.clear()
            due = min((each.until for each in self.holdings.values() if each.until is not None), default=None)
            with contextlib.suppress(TimeoutError):
                wait = None if due is None else max(0.0, due - time.monotonic())
                await asyncio.wait_for(self._stirred.wait(), wait)
            now = time.monotonic()
            lapsed = [name for name, each in self.holdings.items() if each.until is not None and each.until <= now]
            if lapsed:
                log.warning("faults that nobody renewed ended: %s", ", ".join(lapsed))
                try:
                    await self.clear(lapsed)
                except OSError as error:  # a port that can't listen again: other leases have to end all the same
                    log.error("the end of a fault left something undone: %s", error)

    def hits(self, call: Call) -> list[Running]:
        """Return the faults that strike a call."""
        return [running for running in self.active if running.fault.meets(call) and running.strikes()]

    def refused(self, *, region: str = "", service: str = "") -> bool:
        """Tell whether a port should refuse: a region's, or a service's."""
        return any(
            one.fault.kind == "refuse"
            and one.fault.region in ("", region)
            and (not service or one.fault.service in ("", service))
            for one in self.active
        )

    def listing(self) -> list[dict[str, Any]]:
        """Return who set what, and what it met."""
        now = time.monotonic()
        return [
            {
                "owner": owner,
                "ends_in_s": None if each.until is None else round(max(0.0, each.until - now), 1),
                "faults": [{**one.fault.as_table(), "met": one.met, "struck": one.struck} for one in each.faults],
            }
            for owner, each in sorted(self.holdings.items())
        ]

    def recall(self) -> None:
        """Take back what was set when this process was killed, as far as its leases last."""
        if self.memory is None:
            return
        try:
            for owner, kept in json.loads(self.memory.read_text()).items():
                left = None if kept["until"] is None else kept["until"] - time.time()
                if left is None or left > 0:
                    found = [Running(from_table(table, self.front)) for table in kept["faults"]]
                    self.holdings[owner] = Holding(found, until(left))
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            log.info("no faults to take back")  # a first start, or a file that an older version wrote
        self.active = tuple(running for each in self.holdings.values() for running in each.faults)

    def _remember(self) -> None:
        if self.memory is None:
            return
        ahead = time.time() - time.monotonic()  # leases are counted by a clock that means nothing to the next process
        kept = {
            owner: {
                "until": None if each.until is None else each.until + ahead,
                "faults": [one.fault.as_table() for one in each.faults],
            }
            for owner, each in self.holdings.items()
        }
        temporary = self.memory.with_name(f".{self.memory.name}.new")
        try:
            temporary.write_text(json.dumps(kept))
            temporary.replace(self.memory)
        except OSError as error:
            log.error("faults will not outlive this process: %s", error)

    async def _changed(self, gone: Sequence[Running]) -> None:
        self.active = tuple(running for each in self.holdings.values() for running in each.faults)
        for running in gone:
            running.ended.set()
        self._remember()
        self._stirred.set()
        for follow in self.followers:
            await follow()


def until(lease_s: float | None) -> float | None:
    """Return when a lease ends."""
    return None if lease_s is None else time.monotonic() + lease_s


# -------------------------------------------------------------------------------------------- ports


class Connection:
    """A client's connection, which can be reset."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    def reset(self) -> None:
        """Break the connection off, as a machine that is gone does."""
        with contextlib.suppress(OSError, AttributeError):  # it is closed already
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def delivered(self, seconds: float = 2.0) -> None:
        """Wait until what was written is with the client: a reset would take it along."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(OSError, AttributeError, ValueError):  # it is closed, or this system can't tell
            number = self.writer.get_extra_info("socket").fileno()
            while time.monotonic() < deadline:
                left = fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4))
                if not struct.unpack("i", left)[0] and not self.writer.transport.get_write_buffer_size():
                    return
                await asyncio.sleep(0.002)


class Port:
    """A loopback port that can refuse: its listener closes and opens again, open connections are reset.

    It is one socket all the time. A new one could not be bound while a child that this process has just forked, to save
    its state, still holds the old one.
    """

    def __init__(self, number: int, serve: Callable[[asyncio.StreamReader, Connection], Awaitable[None]]) -> None:
        self.number = number
        self.serve = serve
        self.server: asyncio.Server | None = None
        self.sock: socket.socket | None = None
        self.connections: set[Connection] = set()
        self._lock = asyncio.Lock()

    async def follow(self, refuses: Callable[[], bool]) -> None:
        """Refuse or listen, as is asked for."""
        async with self._lock:
            self.sock = self.sock or bound_socket(self.number)
            if refuses():
                self._refuse(self.sock)
            elif self.server is None:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # beside connections that still close
                self.server = await asyncio.start_server(self._accept, sock=self.sock.dup(), backlog=512)

    def _refuse(self, sock: socket.socket) -> None:
        if self.server:
            self.server.close()
            self.server = None
            sock.shutdown(socket.SHUT_RDWR)  # it stops listening, in every process that has it, and stays bound
        # Connections are refused, and no other program can take the port meanwhile.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        for connection in list(self.connections):
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        self.connections.add(connection)
        try:
            await self.serve(reader, connection)
        finally:
            self.connections.discard(connection)

    def close(self) -> None:
        """Stop accepting connections."""
        if self.server:
            self.server.close()
            self.server = None
        if self.sock:
            self.sock.close()
            self.sock = None


def bound_socket(port: int) -> socket.socket:
    """Return a socket that holds a loopback port without listening on it."""
    # With the protocol named, asyncio sends small pieces at once; else an answer's body comes 40 ms after its head.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock


# ------------------------------------------------------------------------------------- byte streams


class Broken(Exception):
    """A connection that a fault breaks off."""


class Stream:
    """One connection through a `TcpProxy`, and what its faults did to it so far.

    Whether a share of connections is struck is drawn once for each connection and fault.
    """

    port = region = ""

    def __init__(self, service: str, book: Book) -> None:
        self.service = service
        self.book = book
        self.drawn: dict[Running, bool] = {}
        self.dropped: dict[Running, int] = {}
        self.speaker = ""

    def does(self, operation: str) -> bool:
        """Return that no operation is known: these are bytes."""
        return False

    def struck(self) -> list[Running]:
        """Return the faults that strike this connection now."""
        found = []
        for running in self.book.active:
            if running not in self.drawn and running.fault.meets(self):
                self.drawn[running] = running.strikes()
            if self.drawn.get(running):
                found.append(running)
        return found

    async def hang(self, client: asyncio.StreamReader | None = None) -> None:
        """Let nothing through while a fault says so, and break off after it; sooner when the client leaves."""
        for running in self.struck():
            if running.fault.kind == "hang":
                waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(running.ended.wait())}
                if client:
                    waits.add(asyncio.ensure_future(thrown_away(client)))
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in waits:
                        each.cancel()
                raise Broken

    async def carry(self, data: bytes, way: str, target: Connection) -> None:
        """Send bytes on: ``in`` to the service, ``out`` to the client."""
        struck = self.struck() if self.book.active else []
        if way == "in" and self.speaker != "client":  # once for each exchange: what is sent in one go arrives in one
            for running in struck:
                if running.fault.kind == "delay":
                    await running.delay()
        self.speaker = "client" if way == "in" else "service"
        kept, broken = len(data), False
        for running in struck:
            if running.fault.kind == "drop" and way == "out":
                left = running.fault.after_bytes - self.dropped.get(running, 0)
                self.dropped[running] = self.dropped.get(running, 0) + len(data)
                if left < len(data):
                    kept, broken = min(kept, left), True

        async def write(piece: bytes) -> None:
            target.writer.write(piece)
            await target.writer.drain()

        slow = next((running for running in struck if running.fault.kind == "throttle"), None)
        await (slow.throttled(data[:kept], way, write) if slow else write(data[:kept]))
        if broken:
            await target.delivered()
            raise Broken


async def thrown_away(reader: asyncio.StreamReader) -> None:
    """Read and forget, until the other side closes."""
    with contextlib.suppress(OSError):
        while await reader.read(PIECE):
            pass


class TcpProxy:
    """A port in front of a service that faults can strike, whatever the service speaks.

    Parameters
    ----------
    service : str
        The name that faults use.
    port : int
        Where it listens, on loopback.
    upstream : tuple
        Host and port of the service.
    book : Book
        The faults. Its `Book.watch` has to run, where leases should end.
    """

    def __init__(self, service: str, port: int, upstream: tuple[str, int], book: Book) -> None:
        self.service = service
        self.upstream = upstream
        self.book = book
        self.port = Port(port, self._serve)

    async def open(self) -> None:
        """Listen, and follow the faults from now on."""
        self.book.followers.append(self._follow)
        await self._follow()

    def close(self) -> None:
        """Stop listening, and break off what is open."""
        self.book.followers.remove(self._follow)
        self.port.close()
        for connection in list(self.port.connections):
            connection.reset()

    async def _follow(self) -> None:
        await self.port.follow(lambda: self.book.refused(service=self.service))

    async def _serve(self, reader: asyncio.StreamReader, client: Connection) -> None:
        stream, service = Stream(self.service, self.book), None
        try:
            await stream.hang(reader)
            from_service, writer = await asyncio.open_connection(*self.upstream)
            service = Connection(writer)
            ways = [
                asyncio.ensure_future(pump(stream, reader, service, "in")),
                asyncio.ensure_future(pump(stream, from_service, client, "out")),
            ]
            try:
                await asyncio.gather(*ways)
            finally:
                for way in ways:
                    way.cancel()
        except (Broken, OSError):
            client.reset()
            if service:
                service.reset()
        finally:
            for each in (client, service):
                if each:
                    each.writer.close()


async def pump(stream: Stream, source: asyncio.StreamReader, target: Connection, way: str) -> None:
    """Carry what comes from one side to the other, and its end too."""
    while data := await source.read(PIECE):
        if stream.book.active:
            await stream.hang(source if way == "in" else None)
        await stream.carry(data, way, target)
    if any(running.fault.kind == "hang" for running in stream.struck()):
        raise Broken  # one side left; the other would wait for the end of the fault
    with contextlib.suppress(OSError):
        target.writer.write_eof()


# ------------------------------------------------------------------------------------------ control


async def read_all(receive: Receive) -> bytes:
    """Read a request's whole body."""
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def answer(send: Send, status: int, document: Any) -> None:
    """Send a JSON document."""
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Tell whether a request comes from a web page: pages may not reset or cut the local cloud."""
    return "origin" in headers or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def headers_of(scope: Scope) -> dict[str, str]:
    """Return a request's headers by lower-case name."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def control(book: Book, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `ADDRESS`: GET lists, PUT sets an owner's faults, POST renews its lease, DELETE ends them.

    The caller has turned web pages away.
    """
    owner = scope["path"].removeprefix(ADDRESS).strip("/")
    body, method = await read_all(receive), scope["method"]
    try:
        if owner and not OWNER.fullmatch(owner):
            raise Mistake(f"an owner's name has letters, digits, dots, dashes: {owner!r}")
        if method == "GET" and not owner:
            front = {"http": book.front.http, "services": sorted(book.front.services)}
            await answer(send, 200, {"holdings": book.listing(), "front": front})
        elif method == "DELETE":
            await answer(send, 200, {"cleared": await book.clear([owner] if owner else None)})
        elif method in ("PUT", "POST") and owner:
            wanted = json.loads(body) if len(body) <= LARGEST_REQUEST else None
            if not isinstance(wanted, dict):
                raise Mistake("the body is a JSON object with faults and lease_s, up to a MB")
            lease = None if wanted.get("lease_s") is None else _number(wanted, "lease_s", above=0, at_most=86400)
            if method == "PUT":
                tables = wanted.get("faults")
                if not isinstance(tables, list):
                    raise Mistake("faults is a list of tables")
                await book.put(owner, [from_table(table, book.front) for table in tables], lease)
            elif not await book.renew(owner, lease):
                await answer(send, 404, {"error": f"{owner} has no faults any more"})
                return
            await answer(send, 200, {"owner": owner})
        else:
            await answer(send, 404, {"error": "unknown address"})
    except ValueError as error:
        await answer(send, 400, {"error": str(error)})


async def serve(settings: Mapping[str, Any]) -> None:
    """Run proxies and the address that controls them until SIGTERM.

    Settings: ``control`` (a port), ``memory`` (a file), ``proxies``: by service ``port``, ``host``, ``upstream``.
    """
    from hypercorn.asyncio import serve as serve_port
    from hypercorn.config import Config

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    book = Book(Front(frozenset(settings["proxies"]), http=False), Path(settings["memory"]))
    book.recall()
    proxies = [
        TcpProxy(name, each["port"], (each.get("host", HOST), each["upstream"]), book)
        for name, each in settings["proxies"].items()
    ]
    for proxy in proxies:
        await proxy.open()
    watching = asyncio.create_task(book.watch())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if is_foreign(headers_of(scope)):
            await answer(send, 403, {"error": "this address is not for web pages"})
        elif scope["path"].startswith(ADDRESS):
            await control(book, scope, receive, send)
        else:
            await answer(send, 404, {"error": "unknown address"})

    config = Config()
    config.bind = [f"{HOST}:{settings['control']}"]
    config.graceful_timeout = 1.0
    await serve_port(app, config, shutdown_trigger=stop.wait)
    watching.cancel()
    for proxy in proxies:
        proxy.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
