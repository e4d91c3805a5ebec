"""What the gateways send: the same for the same seed, with each kind of trouble in it, and a truth that adds up."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from quasar import generate
from quasar.generate import DAY_MS, MINUTE_MS, Plan, encode, messages, slot
from quasar.truth import truth

HOME = Path(__file__).resolve().parents[1]
PLAN = Plan(seed=9, base_ms=1_764_500_000_000)
SLOTS = 30_000


def test_a_slot_is_the_same_whenever_it_is_asked_for() -> None:
    whole = [(number, key, value) for number, _, key, value in messages(PLAN, 0, 3000)]
    assert [(number, key, value) for number, _, key, value in messages(PLAN, 2990, 10)] == whole[2990:]
    other = Plan(seed=10, base_ms=PLAN.base_ms)
    assert [value for *_, value in messages(other, 0, 10)] != [value for *_, value in messages(PLAN, 0, 10)]


def test_there_is_some_of_every_trouble() -> None:
    held = [slot(PLAN, number) for number in range(SLOTS)]
    events = [each.event for each in held if each.event and each.copy_of is None]
    delays = [each.sent_at - each.measured_at for each in events]
    assert sum(delay < 0 for delay in delays) > 100, "clocks that are ahead"
    assert sum(MINUTE_MS < delay < 40 * MINUTE_MS for delay in delays) > 100, "late by minutes"
    assert sum(12 * 60 * MINUTE_MS < delay < DAY_MS for delay in delays) > 10, "late by most of a day"
    assert {each.variety for each in held if each.reason} == set(range(len(generate.VARIETIES)))
    far = [number - each.copy_of for number, each in enumerate(held) if each.copy_of is not None]
    assert min(far) < 200 and max(far) > 10_000, "copies that follow soon, and some from long ago"


def test_a_copy_is_its_event_byte_for_byte_and_goes_to_the_same_partition() -> None:
    sent = {number: (key, value) for number, _, key, value in messages(PLAN, 0, SLOTS)}
    copies = [(number, found.copy_of) for number in sent if (found := slot(PLAN, number)).copy_of is not None]
    assert len(copies) > 300
    assert all(sent[number] == sent[original] for number, original in copies if original is not None)


def test_nothing_counts_after_it_was_sent() -> None:
    event = generate.Event(1, 2, "meter", measured_at=2_000, sent_at=1_000, temperature=0, voltage=0, firmware="1.0.0")
    assert event.event_time == 1_000
    assert event._replace(measured_at=500).event_time == 500


def test_an_event_is_json_with_the_fields_that_the_schema_requires() -> None:
    event = slot(PLAN, 5).event
    assert event is not None
    schema = json.loads((HOME / "schemas" / "telemetry.json").read_text())
    fields = json.loads(encode(PLAN, event))
    assert list(fields) == schema["required"]
    assert fields["temperature_ucelsius"] == event.temperature


def test_the_truth_adds_up_and_is_what_a_second_count_says() -> None:
    found = truth(PLAN, SLOTS)
    assert found.sent == SLOTS == found.loaded + found.duplicates + sum(found.malformed.values())
    events = [held.event for number in range(SLOTS) if (held := slot(PLAN, number)).event and held.copy_of is None]
    by_window = Counter((event.event_time // MINUTE_MS * MINUTE_MS, event.kind) for event in events if event)
    assert {window: values[0] for window, values in found.windows.items()} == dict(by_window)
    assert sum(values[1] for values in found.windows.values()) == sum(event.temperature for event in events if event)
    assert len(found.days) > 1
