"""Writes on their way: how long, in which order, who wins, and what waits for a link."""

from __future__ import annotations

import asyncio
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from infra.local import fault_client, faults, replication
from infra.local.aws_replication import Replication, is_newer
from infra.local.faults import Book, Fault, Latency, Mistake
from infra.local.replication import PACES, Pace, Paces, Queue, Write, pace_from

US, EU, ASIA = "us-east-1", "eu-west-1", "ap-northeast-1"


class World:
    """Regions that hold values, with a clock and links of their own."""

    def __init__(self, *delays: float) -> None:
        self.time = 1000.0
        self.delays = list(delays)
        self.cut: set[str] = set()
        self.values: dict[tuple[str, str], Any] = {}
        self.arrived: list[Any] = []
        self.ahead: dict[str, float] = {}
        self.queue = Queue(
            self.apply, self.delay, self.down, clock=lambda: self.time, ahead=lambda region: self.ahead.get(region, 0.0)
        )

    def delay(self, service: str, source: str, target: str) -> float:
        return self.delays.pop(0) if self.delays else 1.0

    def down(self, source: str, target: str) -> bool:
        return bool({source, target} & self.cut)

    def apply(self, write: Write) -> None:
        if write.payload["value"] == "poison":
            raise ValueError("it can't be applied")
        self.values[write.target, write.key] = write.payload["value"]
        self.arrived.append(write.payload["value"])

    def write(self, source: str, value: Any, *targets: str, key: str = "k", service: str = "dynamodb") -> None:
        """Write as a service does: here at once, elsewhere later."""
        at, mine = self.queue.now(), (service, "1", source, "t", key)
        self.values[source, key] = value
        written = self.queue.stamp(mine, at)
        if service == "dynamodb":
            self.queue.supersede(mine, written)
        for target in targets:
            self.queue.add(Write(service, "1", source, target, "t", key, written, at, {"value": value}, ("t",)))

    def after(self, seconds: float) -> None:
        self.time += seconds
        while self.queue.tick():
            pass


def test_a_write_arrives_after_its_time_and_not_before() -> None:
    world = World(2.0)
    world.write(US, "a", EU)
    world.after(1.99)
    assert (EU, "k") not in world.values and [each["writes"] for each in world.queue.listing()] == [1]
    world.after(0.02)
    assert world.values[EU, "k"] == "a" and not world.queue.listing() and world.queue.next_due() is None


def test_writes_of_one_item_keep_their_order_and_others_overtake() -> None:
    world = World(5.0, 1.0, 1.0)
    world.write(US, "old", EU)
    world.write(US, "new", EU)
    world.write(US, "other", EU, key="other")
    world.after(2)
    assert world.arrived == ["other"]
    world.after(4)
    assert world.arrived == ["other", "old", "new"]


@pytest.mark.parametrize("first", [US, EU])
def test_the_last_writer_wins_in_both_regions(first: str) -> None:
    world, second = World(3.0, 1.0), EU if first == US else US
    world.write(first, "older", second)
    world.time += 0.5
    world.write(second, "newer", first)
    world.after(10)
    assert {world.values[region, "k"] for region in (US, EU)} == {"newer"}
    assert world.arrived == ["newer"] and world.queue.counts == {"applied": 1, "superseded": 1, "failed": 0}


@pytest.mark.parametrize(("ahead", "winner"), [(60.0, "older"), (-60.0, "newer"), (0.0, "newer")])
def test_a_region_whose_clock_is_ahead_wins_against_a_later_write(ahead: float, winner: str) -> None:
    world = World(3.0, 1.0)
    world.ahead = {EU: ahead}
    world.write(EU, "older", US)
    world.after(0.5)
    world.write(US, "newer", EU)
    world.after(10)
    assert {world.values[region, "k"] for region in (US, EU)} == {winner}, "both agree"


@pytest.mark.parametrize("ahead", [60.0, -60.0])
def test_a_region_with_a_wrong_clock_still_overwrites_what_it_has_seen(ahead: float) -> None:
    world = World()
    world.ahead = {EU: ahead}
    for number in range(3):
        for region, other in ((US, EU), (EU, US)):
            world.write(region, f"{number} {region}", other)
            world.after(10)
    assert {world.values[region, "k"] for region in (US, EU)} == {f"2 {EU}"}, "each saw the one before it"


def test_a_write_of_a_wrong_clock_travels_no_longer_than_others() -> None:
    world = World(2.0)
    world.ahead = {EU: 600.0}
    world.write(EU, "one", US)
    world.after(1.9)
    assert (US, "k") not in world.values
    world.after(0.2)
    assert world.values[US, "k"] == "one"


def test_a_deletion_is_a_write_like_others() -> None:
    world = World(3.0, 1.0)
    world.write(US, "older", EU)
    world.write(EU, None, US)
    world.after(10)
    assert (world.values[US, "k"], world.values[EU, "k"]) == (None, None)


def test_a_third_region_agrees_although_the_older_write_comes_later() -> None:
    world = World(1.0, 9.0, 1.0, 1.0)
    world.write(US, "older", EU, ASIA)
    world.time += 2
    world.after(0)  # it is in Europe, and there it is changed
    world.write(EU, "newer", US, ASIA)
    world.after(20)
    assert {world.values[region, "k"] for region in (US, EU, ASIA)} == {"newer"}


def test_two_writes_at_one_moment_have_an_order() -> None:
    world = World(1.0, 1.0)
    world.write(US, "a", EU)
    world.write(EU, "b", US)
    world.after(5)
    assert world.values[US, "k"] == world.values[EU, "k"] == "b"


def test_versions_are_all_kept_where_no_writer_wins() -> None:
    world = World(1.0, 1.0)
    world.write(US, "a", EU, service="s3")
    world.write(EU, "b", US, service="s3")
    world.after(5)
    assert sorted(world.arrived) == ["a", "b"]


def test_writes_wait_while_their_link_is_down_and_come_in_order() -> None:
    world = World()
    world.cut = {EU}
    for number in range(250):
        world.write(US, number, EU)
    world.write(US, "to Asia", ASIA)
    world.after(60)
    assert world.arrived == ["to Asia"]
    (listed,) = world.queue.listing()
    assert (listed["writes"], listed["link_down"], listed["oldest_s"]) == (250, True, 60.0)
    world.cut = set()
    world.after(0)
    assert world.arrived[1:] == list(range(250))


def test_a_split_brain_heals_to_the_same_everywhere() -> None:
    world = World()
    world.cut = {EU}
    for key in ("a", "b", "c"):
        world.write(US, f"us {key}", EU, key=key)
    for key in ("b", "c", "d"):
        world.write(EU, f"eu {key}", US, key=key)
    world.write(US, "us c again", EU, key="c")
    world.after(30)
    world.cut = set()
    world.after(30)
    expected = {"a": "us a", "b": "eu b", "c": "us c again", "d": "eu d"}
    for region in (US, EU):
        assert {key: world.values[region, key] for key in expected} == expected


def test_a_write_that_fails_holds_up_nobody() -> None:
    world = World()
    world.write(US, "poison", EU)
    world.write(US, "good", EU)
    world.after(5)
    assert world.arrived == ["good"] and world.queue.counts["failed"] == 1


def test_what_is_on_its_way_outlives_the_process() -> None:
    before, after = World(5.0, 1.0), World()
    before.write(US, "older", EU)
    before.write(US, "newer", EU)
    before.write(US, "object", EU, service="s3")
    after.queue.restore("dynamodb", json.loads(json.dumps(before.queue.export("dynamodb"))))
    assert after.queue.now() > max(each.written for each in before.queue.pending() if each.service == "dynamodb")
    after.after(1.5)
    assert after.arrived == [], "each keeps the time that it had"
    after.after(5)
    assert after.arrived == ["older", "newer"]


# ------------------------------------------------------------------------------------------ readings


def test_readings_say_how_long_writes_took_and_how_long_they_wait() -> None:
    world = World(1.0, 3.0)
    world.write(US, "a", EU, key="a")
    world.write(US, "b", EU, key="b")
    world.after(1.5)
    world.after(2.5)
    (reading,) = world.queue.readings()
    assert (reading.source, reading.target, reading.stream, reading.pending) == (US, EU, ("t",), 0)
    assert (reading.mean_s, reading.longest_s) == (pytest.approx(2.75, abs=0.01), pytest.approx(4.0, abs=0.01))
    world.cut = {US}
    world.write(US, "c", EU)
    world.after(40)
    (reading,) = world.queue.readings()
    assert (reading.pending, round(reading.mean_s), round(reading.longest_s)) == (1, 40, 40)
    world.cut = set()
    world.after(0)
    assert round(world.queue.readings()[0].mean_s) == 40, "it arrives late"
    assert world.queue.readings() == [], "not at every moment while nothing happens"
    world.after(6)
    assert [each.mean_s for each in world.queue.readings()] == [0.0]
    world.after(1000)
    assert world.queue.readings() == [] and not world.queue.traffic


# --------------------------------------------------------------------------------------------- paces


def test_a_pace_has_the_median_and_the_95th_percentile_that_were_asked_for() -> None:
    paces = Paces()
    paces.set({"s3": Pace(2000, 8000, seed=3)})
    drawn = sorted(paces.draw("s3", US, EU) for _ in range(20_000))
    assert statistics.median(drawn) == pytest.approx(2.0, rel=0.05)
    assert drawn[19_000] == pytest.approx(8.0, rel=0.05)
    assert drawn[-1] <= replication.LONGEST_S


def test_a_seed_replays_and_each_road_has_its_own_times() -> None:
    paces = Paces()

    def times(*road: str) -> list[float]:
        return [paces.draw("dynamodb", *road) for _ in range(5)]

    paces.set({"dynamodb": Pace(100, 400, seed=1)})
    first, back = times(US, EU), times(EU, US)
    assert first != back
    paces.set({"s3": Pace(1, 1)})
    assert times(US, EU) != first, "another service's pace begins nothing anew"
    paces.set({"dynamodb": Pace(100, 400, seed=1)})
    assert (times(US, EU), times(EU, US)) == (first, back)
    paces.set({"dynamodb": Pace(100, 400, seed=2)})
    assert times(US, EU) != first
    paces.set(PACES["off"])
    assert times(US, EU) == [0.0] * 5
    paces.set({"dynamodb": Pace(70, 70)})
    assert times(US, EU) == [0.07] * 5


def test_paces_outlive_the_process_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "replication.json"
    Paces(file).set(PACES["public"])
    again = Paces(file)
    again.recall()
    assert again.now == PACES["public"]
    for broken in ("[]", "{", '{"s3": {"median_ms": "x"}}'):
        file.write_text(broken)
        again = Paces(file)
        again.recall()
        assert again.now == PACES["fast"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ([], "a pace has median_ms"),
        ({"median_ms": 5}, "a pace has median_ms and p95_ms"),
        ({"median_ms": 5, "p95_ms": 9, "max": 1}, "a pace has"),
        ({"median_ms": "5", "p95_ms": 9}, "are numbers"),
        ({"median_ms": True, "p95_ms": 9}, "are numbers"),
        ({"median_ms": 5, "p95_ms": 4}, "not above p95_ms"),
        ({"median_ms": -1, "p95_ms": 4}, "not above p95_ms"),
        ({"median_ms": 0, "p95_ms": 4}, "0 and 0 is at once"),
        ({"median_ms": float("nan"), "p95_ms": 4}, "not above p95_ms"),
        ({"median_ms": 5, "p95_ms": 10**9}, "at most 900000"),
        ({"median_ms": 5, "p95_ms": 9, "seed": 0.5}, "seed is a whole number"),
    ],
)
def test_a_wrong_pace_is_refused(wrong: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        pace_from(wrong)


# -------------------------------------------------------------------------------- links and control


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"kind": "error", "service": "replication"}, "replication takes hang, delay, skew, not error"),
        ({"kind": "refuse", "service": "replication"}, "replication takes hang, delay, skew, not refuse"),
        ({"kind": "hang", "service": "replication", "share": 0.5}, "hang takes region, service, not share"),
        ({"kind": "hang", "service": "replication", "operation": "PutItem"}, "not operation"),
        ({"kind": "hang", "service": "replication", "region": "mars-1"}, "has no port"),
        ({"kind": "delay", "service": "replication"}, "delay needs latency_ms"),
        ({"kind": "skew", "service": "replication", "region": EU}, "skew needs ahead_s"),
        ({"kind": "skew", "service": "replication", "ahead_s": 5}, "it needs a region"),
        ({"kind": "skew", "service": "s3", "region": EU, "ahead_s": 5}, "service = replication"),
        ({"kind": "skew", "service": "replication", "region": EU, "ahead_s": 5000}, "from -3600 to 3600"),
    ],
)
def test_a_wrong_fault_of_a_link_is_refused(table: dict[str, Any], reason: str) -> None:
    with pytest.raises(Mistake, match=reason):
        faults.from_table(table, fault_client.AWS)


def test_a_link_is_no_service_of_a_tcp_proxy() -> None:
    with pytest.raises(Mistake, match="no request is for service 'replication'"):
        faults.from_table({"kind": "hang", "service": "replication"}, faults.Front(frozenset({"db"}), http=False))


@pytest.fixture
def made(tmp_path: Path) -> Replication:
    return Replication(replication, Book(fault_client.AWS), tmp_path / "replication.json", lambda: None)


def test_faults_say_what_links_are_down(made: Replication) -> None:
    asyncio.run(links_are_down(made))


async def links_are_down(made: Replication) -> None:
    down = made.queue.down
    for fault, expected in (
        (Fault("hang", EU, "replication"), (True, True, False)),
        (Fault("hang", service="replication"), (True, True, True)),
        (Fault("refuse", EU), (True, True, False)),
        (Fault("hang", EU), (False, False, False)),  # a port that hangs, not the link between the services
        (Fault("hang", EU, "dynamodb"), (False, False, False)),
        (Fault("delay", EU, "replication", latency=Latency("constant", 5)), (False, False, False)),
    ):
        await made.book.put("test", [fault])
        assert (down(US, EU), down(EU, US), down(US, ASIA)) == expected, fault
        assert not down(EU, EU), "two buckets of one region"
    await made.book.clear()
    assert not down(US, EU)


def test_a_skew_is_of_one_regions_clock(made: Replication) -> None:
    async def skewed() -> None:
        await made.book.put("test", [Fault("skew", EU, "replication", ahead_s=300)])
        assert (made.queue.ahead(EU), made.queue.ahead(US)) == (300.0, 0.0)
        assert not made.queue.down(US, EU)

    asyncio.run(skewed())


def test_a_fault_adds_to_the_time_and_tells_how_many_it_met(made: Replication) -> None:
    asyncio.run(a_fault_adds(made))


async def a_fault_adds(made: Replication) -> None:
    made.paces.set({"dynamodb": Pace(100, 100), "s3": Pace(0, 0)})
    await made.book.put("test", [Fault("delay", EU, "replication", latency=Latency("constant", 3000))])
    assert made.queue.delay("dynamodb", US, EU) == pytest.approx(3.1)
    assert made.queue.delay("s3", EU, US) == pytest.approx(3.0)
    assert made.queue.delay("dynamodb", US, ASIA) == pytest.approx(0.1)
    assert made.book.listing()[0]["faults"][0]["struck"] == 2
    await made.book.put("test", [Fault("hang", EU, "replication")])
    made.queue.add(Write("s3", "1", US, EU, "b", "k", 1.0, 1.0, {}))
    for _ in range(3):
        assert made.queue.tick() == 0
    assert made.book.listing()[0]["faults"][0]["struck"] == 1


def test_the_address_shows_and_sets(made: Replication) -> None:
    address = replication.ADDRESS
    assert made.control("GET", address, b"")[1]["paces"]["s3"] == {"median_ms": 250, "p95_ms": 750, "seed": 0}
    body = json.dumps({"s3": {"median_ms": 1, "p95_ms": 2, "seed": 9}}).encode()
    status, told = made.control("PUT", address, body)
    assert (status, told["paces"]["s3"]["seed"], told["paces"]["dynamodb"]["median_ms"]) == (200, 9, 100)
    made.queue.add(Write("s3", "1", US, EU, "b", "k", 5.0, 5.0, {"secret": "stays here"}))
    (write,) = made.control("GET", f"{address}/pending", b"")[1]["pending"]
    assert (write["place"], write["key"], write["written"]) == ("b", "k", 5.0) and "payload" not in write
    for wrong in (b"", b"[]", b"{}", b'{"sqs": {"median_ms": 1, "p95_ms": 2}}', b'{"s3": {"median_ms": 1}}'):
        assert made.control("PUT", address, wrong)[0] == 400
    assert made.control("POST", address, b"")[0] == made.control("GET", f"{address}/else", b"")[0] == 404
    assert made.control("DELETE", address, b"")[1]["paces"]["s3"]["median_ms"] == 250


@pytest.mark.parametrize(
    ("there", "coming", "newer"),
    [
        ({"last_modified": "2026-01-01T00:00:00.002Z"}, "2026-01-01T00:00:00.001Z", True),
        ({"last_modified": "2026-01-01T00:00:00.001Z"}, "2026-01-01T00:00:00.002Z", False),
        ({"last_modified": "2026-01-01T00:00:00.001Z"}, "2026-01-01T00:00:00.001Z", None),
        (
            {"last_modified": "2026-01-01T00:00:00.001Z", "replication_status": "REPLICA"},
            "2026-01-01T00:00:00.001Z",
            False,
        ),
    ],
)
def test_both_buckets_agree_which_version_is_the_newest(there: dict[str, Any], coming: str, newer: bool | None) -> None:
    seen = [is_newer(there, {"last_modified": coming}, *names) for names in (("a", "b"), ("b", "a"))]
    assert seen == ([True, False] if newer is None else [newer, newer])
