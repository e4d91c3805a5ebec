"""What a journal says is what happened: each planted loss, doubling, mixture and step back is found by name."""

from __future__ import annotations

from dataclasses import replace
from xml.dom import minidom

import pytest

from infra.drill import report
from infra.drill.journal import Call, Event, Journal, read
from infra.drill.measure import Measures, Window, measure, percentile
from infra.drill.workload import Found

AWAY, HOME = "eu-west-1", "us-east-1"
WINDOW = Window(100.0, 160.0, AWAY)


def call(at: float, seq: int, *, key: str = "k", home: str = AWAY, ok: bool = True, action: str = "write") -> Call:
    """Return a call that took a tenth of a second."""
    status = "ok" if ok else "refused"
    return Call(at, 0.1, f"client of {home}", home, "data", action, key, seq, home, ok, status)


def found(calls: list[Call], **more: object) -> Measures:
    """Measure calls; both regions hold the newest acknowledged write unless the test says otherwise."""
    newest: dict[str, Found] = {}
    for each in calls:
        if each.action == "write" and each.ok:
            newest[each.key] = Found(each.seq, each.seq)
    given = {"events": [Event(110.0, "unhealthy", AWAY)], "survivor": newest, "final": {AWAY: newest, HOME: newest}}
    given |= more
    shared = given.get("shared", ())
    return measure(calls, given["events"], WINDOW, given["survivor"], given["final"], shared)  # type: ignore[arg-type]


def test_a_region_that_never_fails_costs_nothing() -> None:
    made = found([call(90, 1), call(101, 2), call(170, 3)], events=[], survivor=None)
    assert (made.detection_s, made.rto_s, made.rpo_s) == (None, 0.0, 0.0)
    assert made.failover_s == pytest.approx(1.1)
    assert made.lost == made.differing == made.doubled == made.mixed == made.back_in_time == ()


def test_times_count_from_the_fault() -> None:
    made = found([call(90, 1), call(105, 2, ok=False), call(112, 3), call(113, 4, ok=False), call(120, 5)])
    assert made.detection_s == 10.0
    assert made.failover_s == pytest.approx(12.1), "the first good write"
    assert made.rto_s == pytest.approx(20.1), "the first that no failure follows"


def test_clients_of_the_other_region_say_nothing_about_the_struck_one() -> None:
    made = found([call(101, 1, home=HOME, key="other"), call(105, 1, ok=False)])
    assert made.failover_s is None and made.rto_s is None


def test_under_failover_everybody_is_affected_when_the_primary_is_struck() -> None:
    calls = [call(101, 1, home=HOME, ok=False), call(105, 1, key="other"), call(112, 2, home=HOME)]
    struck = measure(calls, [], Window(100.0, 160.0, HOME), None, {}, led_to={HOME: HOME, AWAY: HOME})
    assert struck.failover_s == pytest.approx(5.1), "a client of the other region was led here too"
    assert struck.rto_s == pytest.approx(5.1)
    spared = measure(calls, [], Window(100.0, 160.0, AWAY), None, {}, led_to={HOME: HOME, AWAY: HOME})
    assert spared.failover_s is None and spared.rto_s == 0.0, "the name led nobody to the standby"


def test_what_the_survivor_lacked_is_out_of_reach_and_not_lost() -> None:
    calls = [call(90, 1), call(95, 2), call(99, 3), call(120, 4)]
    made = found(calls, survivor={"k": Found(1, 1)})
    (missing,) = made.out_of_reach
    assert (missing.key, missing.acknowledged, missing.found) == ("k", 3, 1)
    assert made.rpo_s == pytest.approx(4.9), "write 2 is the oldest that it lacked"
    assert made.lost == ()


def test_an_acknowledged_write_that_is_gone_is_lost() -> None:
    made = found([call(90, 1), call(120, 2)], final={AWAY: {"k": Found(1, 1)}, HOME: {"k": Found(2, 2)}})
    assert [(each.key, each.region, each.acknowledged, each.found) for each in made.lost] == [("k", AWAY, 2, 1)]
    assert made.differing == ("k",)


def test_a_write_that_was_not_acknowledged_may_be_there_or_not() -> None:
    calls = [call(90, 1), call(105, 2, ok=False)]
    for seq in (1, 2):
        held = {"k": Found(seq, seq)}
        assert found(calls, final={AWAY: held, HOME: held}).lost == ()


def test_a_key_that_is_gone_altogether_is_lost() -> None:
    made = found([call(90, 1)], final={AWAY: {}, HOME: {}})
    assert [(each.region, each.found) for each in made.lost] == [(AWAY, -1), (HOME, -1)]


def test_a_store_that_counted_more_writes_than_there_were_has_doubled_one() -> None:
    held = {"k": Found(2, 3)}
    assert found([call(90, 1), call(91, 2)], final={AWAY: held, HOME: held}).doubled == ("k",)
    other = {"somebody else's": Found(9, 9)}
    assert found([call(90, 1)], final={AWAY: other, HOME: other}).doubled == ()


def test_a_mixture_is_named() -> None:
    held = {"k": Found(1, 1, mixed=True)}
    assert found([call(90, 1)], final={AWAY: held, HOME: held}).mixed == ("k",)


def test_a_reader_that_sees_less_than_before_went_back_in_time() -> None:
    written = [call(90, 1), call(91, 2)]
    assert found([*written, call(92, 1, action="read")]).back_in_time == ("k",)
    assert found([*written, call(92, 2, action="read")]).back_in_time == ()
    assert found([call(90, 1, ok=False), call(92, -1, action="read")]).back_in_time == (), "nothing was acknowledged"


def test_of_keys_with_several_writers_one_write_is_there_and_the_other_is_overruled_not_lost() -> None:
    calls = [call(101, 2), call(102, 3, home=HOME)]
    held = {"k": Found(2, 1)}
    made = found(calls, final={AWAY: held, HOME: held}, survivor={}, shared=["data"])
    assert made.overruled == ("k",) and made.lost == made.out_of_reach == made.mixed == made.doubled == ()
    last = {"k": Found(3, 1)}
    assert found(calls, final={AWAY: last, HOME: last}, shared=["data"]).overruled == ()


def test_an_old_write_that_took_effect_is_told_by_name() -> None:
    made = found([call(90, 1)])
    assert (
        "3: 2 refused, the others without effect" in dict(report.rows(replace(made, late=3, late_refused=2))).values()
    )
    changed = replace(made, late=3, late_refused=2, late_effective=("k",))
    text = report.markdown("A region falls", [], changed, [], 90.0)
    assert "3: 2 refused, 1 keys changed" in text and "## Changed by an old write\n\n- k\n" in text


def test_a_key_of_several_writers_that_holds_what_none_wrote_is_a_mixture() -> None:
    held = {"k": Found(9, 1)}
    assert found([call(101, 2)], final={AWAY: held, HOME: held}, shared=["data"]).mixed == ("k",)


def test_what_was_out_of_reach_is_told_by_path() -> None:
    (reach,) = found([call(90, 1), call(95, 2)], survivor={"k": Found(1, 1)}).reach
    assert (reach.path, reach.keys, reach.age_s) == ("data", 1, pytest.approx(4.9))


def test_percentiles_are_of_acknowledged_calls_by_phase() -> None:
    made = found([call(90, 1), call(105, 2, ok=False), call(170, 3)])
    assert [(each.phase, each.calls, each.failed) for each in made.latencies] == [
        ("before", 1, 0),
        ("fault", 1, 1),
        ("after", 1, 0),
    ]
    assert percentile([1, 2, 3, 4], 0.5) == 2 and percentile([1, 2, 3, 4], 0.99) == 4 and percentile([], 0.5) == 0


def test_a_journal_is_read_again_as_far_as_it_was_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    journal.call(call(1, 1))
    journal.event("unhealthy", AWAY)
    journal.close()
    file.write_text(file.read_text() + '{"call": {"at": 2, "to')
    calls, events = read(file)
    assert calls == [call(1, 1)] and [each.what for each in events] == ["unhealthy"]


def test_the_report_names_what_broke_and_the_timeline_is_a_picture_with_words() -> None:
    calls = [call(90 + number, number + 1) for number in range(20)]
    made = found(calls, final={AWAY: {"k": Found(1, 1)}, HOME: {"k": Found(20, 20)}})
    text = report.markdown("A region <falls>", ["seed 1"], made, [Event(110.0, "unhealthy", AWAY)], 90.0)
    assert "`k` in eu-west-1: write 20 was acknowledged, 1 is there" in text
    assert "| 20.0 | unhealthy | eu-west-1 |" in text
    drawn = minidom.parseString(report.timeline("A region <falls>", calls, [Event(110.0, "unhealthy", AWAY)], WINDOW))
    assert drawn.documentElement.getAttribute("aria-label") == "A region <falls>: 20 calls, 0 failed."
    assert len([each for each in drawn.getElementsByTagName("rect") if each.getAttribute("class") == "ok"]) == 20
