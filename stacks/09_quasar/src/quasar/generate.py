"""Telemetry from a seed: each slot is one message, and follows from the seed and its number alone.

So the truth needs no second file: who knows how many slots were sent knows every message. A slot holds a fresh event,
a copy of an earlier one, or something that no reader can use. Events are out of order, late by minutes to a day, and
some devices' clocks are wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

KINDS = ("boiler", "chiller", "freezer", "heat_pump", "inverter", "meter", "thermostat", "valve")
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
TOO_LARGE = 4096
"""The largest value that readers take, in bytes."""

_DRAWS = struct.Struct("<8Q")
_NUMBER = struct.Struct("<Q")
_FAR = 40_000  # a copy may come this many slots after its event


@dataclass(frozen=True)
class Plan:
    """What is sent: everything about a slot follows from this and its number.

    Parameters
    ----------
    seed : int
        Up to 32 bits; part of each event's identity.
    base_ms : int
        When the gateway takes slot 0, in milliseconds since 1970.
    per_second : float
        Slots in a second of the gateway's clock.
    devices : int
        How many devices send.
    duplicates, malformed, disordered, late, very_late, skewed : int
        Of 10,000 slots, how many are copies, are unusable, come up to a minute late, up to 40 minutes, up to a day; of
        10,000 devices, how many have a clock that is ahead.
    """

    seed: int
    base_ms: int
    per_second: float = 20.0
    devices: int = 4000
    duplicates: int = 200
    malformed: int = 100
    disordered: int = 800
    late: int = 200
    very_late: int = 50
    skewed: int = 150

    def sent_at(self, slot: int) -> int:
        """Return when the gateway takes a slot, in milliseconds since 1970."""
        return self.base_ms + int(slot * 1000 / self.per_second)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


class Event(NamedTuple):
    """A usable event, with what the readers need to make of it."""

    slot: int
    device: int
    kind: str
    measured_at: int
    sent_at: int
    temperature: int
    voltage: int
    firmware: str

    @property
    def event_time(self) -> int:
        """When it counts: as the device says, except that nothing is measured after it was sent."""
        return min(self.measured_at, self.sent_at)


class Slot(NamedTuple):
    """What a slot holds: an event (fresh, or a copy of the slot `copy_of`), or why it can't be used (`reason`)."""

    device: int
    event: Event | None
    copy_of: int | None
    reason: str | None
    variety: int


def draws(plan: Plan, slot: int) -> tuple[int, ...]:
    """Return eight random numbers of 64 bits, which depend on seed and slot."""
    return _DRAWS.unpack(blake2b(_NUMBER.pack(slot), digest_size=64, key=_NUMBER.pack(plan.seed)).digest())


def _form(plan: Plan, drawn: tuple[int, ...]) -> int:
    """Return 0 for a fresh event, 1 for a copy, 2 for something unusable."""
    among = drawn[0] % 10_000
    return 1 if among < plan.duplicates else 2 if among < plan.duplicates + plan.malformed else 0


def slot(plan: Plan, number: int) -> Slot:
    """Return what a slot holds."""
    drawn = draws(plan, number)
    form = _form(plan, drawn)
    if form == 0:
        event = _fresh(plan, number, drawn)
        return Slot(event.device, event, None, None, 0)
    if form == 2:
        variety = drawn[7] % len(VARIETIES)
        return Slot(drawn[1] % plan.devices, None, None, VARIETIES[variety][0], variety)
    # Most copies follow soon, a retry of the gateway; some come from a queue that was found again.
    original = number - 1 - drawn[6] % (200 if drawn[5] % 4 else _FAR)
    if original >= 0:
        earlier = draws(plan, original)
        if _form(plan, earlier) == 0:
            event = _fresh(plan, original, earlier)
            return Slot(event.device, event, original, None, 0)
    event = _fresh(plan, number, drawn)
    return Slot(event.device, event, None, None, 0)


def _fresh(plan: Plan, number: int, drawn: tuple[int, ...]) -> Event:
    device, sent_at, among = drawn[1] % plan.devices, plan.sent_at(number), drawn[2] % 10_000
    delay = drawn[3] % 2_000
    if among < plan.very_late:
        delay = drawn[3] % DAY_MS
    elif among < plan.very_late + plan.late:
        delay = drawn[3] % (40 * MINUTE_MS)
    elif among < plan.very_late + plan.late + plan.disordered:
        delay = drawn[3] % MINUTE_MS
    measured_at = sent_at - delay
    if device * 7919 % 10_000 < plan.skewed:  # its clock is ahead, always by the same
        measured_at += 1000 + device * 104_729 % HOUR_MS
    return Event(
        number,
        device,
        KINDS[device % len(KINDS)],
        measured_at,
        sent_at,
        drawn[4] % 125_000_000 - 40_000_000,
        drawn[5] % 5_000_000,
        f"{1 + device % 3}.{device % 10}.{device % 7}",
    )


def message(plan: Plan, number: int, held: Slot) -> tuple[bytes, bytes | None]:
    """Return a slot's key and value."""
    key = b"device-%06d" % held.device
    if held.event is not None:
        return key, encode(plan, held.event)
    return key, VARIETIES[held.variety][1](plan, _fresh(plan, number, draws(plan, number)))


def encode(plan: Plan, event: Event) -> bytes:
    """Return an event as its gateway sends it."""
    return (
        f'{{"event_id":"{plan.seed:08x}-{event.slot:012x}","device_id":"device-{event.device:06}","kind":"{event.kind}",'
        f'"measured_at":{event.measured_at},"sent_at":{event.sent_at},"sequence":{event.slot},'
        f'"temperature_ucelsius":{event.temperature},"voltage_uv":{event.voltage},"firmware":"{event.firmware}"}}'
    ).encode()


def messages(plan: Plan, first: int, count: int) -> Iterator[tuple[int, Slot, bytes, bytes | None]]:
    """Yield number, content, key and value of slots, in their order."""
    for number in range(first, first + count):
        held = slot(plan, number)
        yield number, held, *message(plan, number, held)


def _without(plan: Plan, event: Event, name: str) -> bytes:
    head, _, rest = encode(plan, event).partition(f'"{name}":'.encode())
    return head + rest.partition(b",")[2]


def _with(plan: Plan, event: Event, name: str, value: bytes) -> bytes:
    head, _, rest = encode(plan, event).partition(f'"{name}":'.encode())
    end = min(each for each in (rest.find(b","), rest.find(b"}")) if each >= 0)
    return head + f'"{name}":'.encode() + value + rest[end:]


VARIETIES: list[tuple[str, Any]] = [
    ("empty", lambda plan, event: None),
    ("empty", lambda plan, event: b""),
    ("not_json", lambda plan, event: encode(plan, event)[:-20]),
    ("not_json", lambda plan, event: encode(plan, event) + encode(plan, event)),
    ("not_json", lambda plan, event: b"\xff\xfe\x00\x80" + encode(plan, event)),
    ("not_json", lambda plan, event: b"[" * 1500),
    ("not_json", lambda plan, event: encode(plan, event).replace(b'"', b"'")),
    ("not_json", lambda plan, event: _with(plan, event, "sequence", b'{"deep":1}')),
    ("bad_field", lambda plan, event: _with(plan, event, "temperature_ucelsius", b'"21.5"')),
    ("bad_field", lambda plan, event: _with(plan, event, "voltage_uv", b"true")),
    ("bad_field", lambda plan, event: _with(plan, event, "measured_at", b"1.5")),
    ("bad_field", lambda plan, event: _with(plan, event, "sequence", b"9" * 400)),
    ("bad_field", lambda plan, event: _with(plan, event, "kind", b"null")),
    ("bad_field", lambda plan, event: _without(plan, event, "device_id")),
    ("bad_field", lambda plan, event: _without(plan, event, "sent_at")),
    ("too_large", lambda plan, event: encode(plan, event)[:-1] + b',"note":"' + b"x" * TOO_LARGE + b'"}'),
    ("impossible_value", lambda plan, event: _with(plan, event, "temperature_ucelsius", b"5000000000")),
    ("impossible_value", lambda plan, event: _with(plan, event, "voltage_uv", b"-1")),
    ("impossible_value", lambda plan, event: _with(plan, event, "kind", b'"teapot"')),
    ("impossible_value", lambda plan, event: _with(plan, event, "event_id", b'"\\ud800"')),
    ("impossible_value", lambda plan, event: _with(plan, event, "measured_at", b"12")),
    *(
        ("impossible_value", lambda plan, event, name=name, value=value: _with(plan, event, name, value))
        for name in ("measured_at", "sent_at", "temperature_ucelsius", "voltage_uv")
        for value in (b"-9223372036854775808", b"9223372036854775807")
    ),
    ("impossible_value", lambda plan, event: _with(plan, event, "sequence", b"-9223372036854775808")),
    ("impossible_value", lambda plan, event: _with(plan, event, "firmware", b'"1.0.0\\n"')),
    # A gateway that lives in the year 2100 would make everything after it late.
    ("impossible_value", lambda plan, event: _with(plan, event, "sent_at", b"4102444800000")),
]
"""What no reader can use: the reason that it must be told, and the bytes."""
