"""What a stream meets in its life: more partitions, poison, a store that is away under load, a day worked out twice."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from layers import Layers
from quasar import generate
from quasar.reconcile import reconcile
from quasar.store import TAKE_TURN

from tests.e2e.test_local_cloud import new_cloud
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

WINDOWS = "SELECT * FROM quasar.batch_windows ORDER BY window_start, kind"
WAITING = "SELECT pid FROM pg_locks WHERE NOT granted"
RECONCILED = (
    "SELECT window_start, kind, settled, difference, late, unexplained FROM quasar.reconciliation ORDER BY 1, 2"
)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    for cloud in new_cloud(tmp_path_factory.mktemp("quasar")):
        cloud.up(["aws", "kafka", "postgres"])
        yield Layers(cloud, tmp_path_factory.mktemp("stream") / "run", "stream")


def last_batch(layers: Layers) -> int:
    return max((each["batch"] for each in layers.said("speed") if each["event"] == "windows"), default=-1)


def archived(layers: Layers) -> int:
    return sum(each["event"] == "archived" for each in layers.said("speed"))


def test_more_partitions_poison_and_a_store_that_is_away(layers: Layers) -> None:
    layers.send(4_000)
    speed = layers.start("speed")
    try:
        until(lambda: last_batch(layers) >= 0 and archived(layers), 90, "the stream runs")
        # More partitions: what comes there is read from its beginning.
        layers.partitions(5)
        layers.send(3_000)
        # The store goes away for as long as much comes: the windows wait, and the archive goes on.
        at = last_batch(layers)
        layers.cloud.down(["postgres"])
        before = archived(layers)
        layers.send(30_000)
        until(lambda: archived(layers) >= before + 3, 90, "the archive goes on")
        assert any(each["event"] == "store_away" for each in layers.said("speed")), "the windows wait"
        assert last_batch(layers) <= at + 1, "none is done without its store"
        layers.cloud.up(["postgres"])
        until(lambda: last_batch(layers) > at + 1, 60, "the windows go on")
        assert speed.poll() is None, "it never ended"
    finally:
        if speed.poll() is None:
            speed.send_signal(signal.SIGTERM)
        layers.ended(speed)
    assert speed.returncode == 0, layers.log("speed").read_text()[-2000:]
    # What bounds the memory, whatever waits in Kafka; scripts/bench_quasar.py measures it, for two minutes under load.
    sizes = [each["rows"] for each in layers.said("speed") if each["event"] == "progress"]
    most = int(layers.environment["QUASAR_MAX_PER_TRIGGER"])
    assert most / 2 < max(sizes) <= most, sizes

    found = layers.run("once")["reconciliation"]
    assert layers.against_the_journal() == ""
    assert (found["unexplained"], found["waiting"]) == (0, 0)
    assert found["late"] > 0, "batch has what came late"
    # Poison is what stops readers: each kind of it was sent, and lies in the dead letters with its own bytes.
    plan = layers.plan()
    sent = {number: value for number, _, _, value in generate.messages(plan, 0, 37_000)}
    unusable = {(sent[n] or b"").hex() for n in sent if generate.slot(plan, n).reason}
    letters = layers.dead_letters()
    assert {each[5] for each in letters} == unusable
    assert all(each[4] for each in letters), "each says what exactly is wrong"


def test_a_killed_night_leaves_the_days_and_two_nights_at_once_or_a_day_again_are_as_one(layers: Layers) -> None:
    before = layers.ask(WINDOWS)
    layers.send(500)
    night = layers.start("once", JOBS_FAULT="computed")
    assert layers.ended(night) == -signal.SIGKILL
    assert layers.ask(WINDOWS) == before
    nights = [layers.start("batch") for _ in range(2)]
    assert [layers.ended(each) for each in nights] == [0, 0], layers.log("batch").read_text()[-3000:]
    assert layers.against_the_journal() == ""
    twice, reconciled = layers.ask(WINDOWS), layers.ask(RECONCILED)
    days = [str(day) for (day,) in layers.ask("SELECT day FROM quasar.batch_days ORDER BY day")]
    done = layers.run("batch", *(each for day in days for each in ("--day", day)))
    assert done["days"] == days and done["manifests"] == 0
    assert layers.ask(WINDOWS) == twice, "what two nights wrote is what one does"
    assert layers.ask(RECONCILED) == reconciled


def test_a_comparison_waits_for_another_and_for_a_night_that_writes(layers: Layers) -> None:
    """Otherwise both write the same windows, or the days of a night that commits meanwhile count as compared."""
    touch = "UPDATE quasar.batch_days SET computed_at = clock_timestamp() RETURNING 1"

    def compared() -> dict[str, Any]:
        with layers.store() as connection, connection.transaction():
            return reconcile(connection)

    with ThreadPoolExecutor(1) as pool:
        layers.ask(touch)
        with layers.store() as first, first.transaction():
            found = reconcile(first)
            second = pool.submit(compared)
            until(lambda: second.done() or layers.ask(WAITING) != [], 30, "the second waits")
        assert second.result(30) == found
        with layers.store() as night, night.transaction():
            night.execute(TAKE_TURN)
            night.execute(b"UPDATE quasar.batch_windows SET events = events + 1")
            night.execute(touch.encode())
            second = pool.submit(compared)
            until(lambda: second.done() or layers.ask(WAITING) != [], 30, "the comparison waits")
        assert second.result(30)["unexplained"] > 0, "it compares what the night wrote"
    layers.ask("UPDATE quasar.batch_windows SET events = events - 1 RETURNING 1")
    layers.ask(touch)
    assert compared() == found


def test_a_stream_is_stopped_while_its_store_is_away_and_loses_its_checkpoint(layers: Layers, tmp_path: Path) -> None:
    layers = Layers(layers.cloud, tmp_path / "run", "lost")  # short: all is read again in the end
    layers.send(3_000)
    speed = layers.start("speed")
    until(lambda: last_batch(layers) >= 0 and speed.poll() is None, 90, "the stream runs")
    layers.cloud.down(["postgres"])
    known = sum(each["event"] == "store_away" for each in layers.said("speed"))
    layers.send(500)
    until(lambda: sum(e["event"] == "store_away" for e in layers.said("speed")) > known, 60, "a batch waits")
    speed.send_signal(signal.SIGTERM)
    assert layers.ended(speed, 60) == 0, layers.log("speed").read_text()[-2000:]
    layers.cloud.up(["postgres"])
    shutil.rmtree(layers.folder / "checkpoints")
    found = layers.run("once")["reconciliation"]
    assert layers.against_the_journal() == ""
    assert (found["unexplained"], found["waiting"]) == (0, 0)


def test_a_wrong_window_is_found_by_journal_and_reconciliation(layers: Layers) -> None:
    """The mistakes that all the above must catch: planted in each layer."""
    start, kind = layers.ask(
        "SELECT window_start, kind FROM quasar.minutes WHERE layer = 'batch' ORDER BY events DESC"
    )[0]
    where = f"WHERE window_start = '{start.isoformat()}' AND kind = '{kind}'"
    code = "from quasar.store import Store\nfrom quasar.reconcile import reconcile\n"
    code += "print(Store.from_environment().patiently(reconcile)['unexplained'])"
    for change, back in (
        ("quasar.batch_windows SET events = events + 1", "quasar.batch_windows SET events = events - 1"),
        (
            "quasar.batch_windows SET voltage_sum = voltage_sum + 1",
            "quasar.batch_windows SET voltage_sum = voltage_sum - 1",
        ),
        ("quasar.batch_windows SET late = late + 1", "quasar.batch_windows SET late = late - 1"),
        ("quasar.speed_windows SET events = events - 1", "quasar.speed_windows SET events = events + 1"),
    ):
        touch = "UPDATE quasar.batch_days SET computed_at = clock_timestamp() RETURNING 1"
        layers.ask(f"UPDATE {change} {where} RETURNING 1")
        layers.ask(touch)
        told = layers.python("-c", code).splitlines()[-1]
        wrong = layers.against_the_journal()
        layers.ask(f"UPDATE {back} {where} RETURNING 1")
        assert int(told) == 1, change
        served = "SET late" not in change and "speed" not in change
        assert bool(wrong) == served, change
    layers.ask("UPDATE quasar.batch_days SET computed_at = clock_timestamp() RETURNING 1")
    assert layers.python("-c", code).splitlines()[-1] == "0"
