"""What the shop commits is in the warehouse: each row, each version, whole transactions, whatever is killed in between."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import Cloud
from tests.support.local_aws import until

from .conftest import HOME, started
from .shops import FAR_S, Shop, going, kill

pytestmark = pytest.mark.e2e
WATCH = str(HOME / "tests" / "watch.py")
SERVICES = ["kafka", "snowflake", "mysql", "postgres", "debezium"]
LOADERS_ENDS = ("staged", "copied", "landed", *(f"merge_{number:02}" for number in range(1, 17)), "merged")
"""Places in loader and merge at which a process may end."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    yield from started(tmp_path_factory.mktemp("nova") / ".orrery", SERVICES)


# -- whatever is killed ------------------------------------------------------------------------------------------------


class Follower:
    """The loader and the merge, started again whenever they are gone, as a scheduler does."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.program = shop.start("nova.pipeline", "follow")

    def end_at(self, place: str) -> None:
        """Let it end by itself at a place in its code, and start again."""
        self.program.kill()
        self.program = self.shop.start("nova.pipeline", "follow", JOBS_FAULT=place)
        assert self.program.wait() == -9, self.program.said
        self.program = self.shop.start("nova.pipeline", "follow")

    def end(self) -> None:
        """End it wherever it is, and start again."""
        self.program.kill()
        self.program = self.shop.start("nova.pipeline", "follow")


@contextlib.contextmanager
def following(shop: Shop) -> Iterator[Follower]:
    """Land and merge for a while."""
    follower = Follower(shop)
    try:
        yield follower
        assert follower.program.stop() == 0, follower.program.said
    finally:
        follower.program.kill()


def committed(shop: Shop, more: int) -> None:
    """Wait until the shop has committed some more changes."""
    wanted = until(lambda: seen(shop), FAR_S, "the shop answers") + more
    until(lambda: seen(shop) >= wanted, FAR_S, f"{more} more changes in the shop")


def seen(shop: Shop) -> int:
    try:
        return shop.changes()
    except Exception:  # its server was killed
        return 0


@pytest.mark.seeds(2)
def test_all_that_was_committed_is_there_once_and_whole_whatever_is_killed(
    cloud: Cloud, seed: int, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    engine = "mysql" if seed % 2 else "postgres"
    shop = Shop(cloud, f"killed{seed}", engine, tmp_path / "shop")
    shop.make()
    shop.run("nova.workload", "fill", "--rows", "200", "--seed", str(seed))
    work = shop.start("nova.workload", "run", "--seed", str(seed), "--rate", "40", "--sessions", "3")
    with going(shop.start(WATCH)) as watch, going(work), following(shop) as follower:
        shop.connect()  # while the shop works
        ends = [engine, "debezium", "kafka", "snowflake", "loader", *dice.sample(LOADERS_ENDS, 3)]
        dice.shuffle(ends)
        for each in ends:
            committed(shop, dice.randrange(1, 30))
            end(follower, each)
        committed(shop, 20)
        assert work.stop() == 0, work.said
        cloud.up(SERVICES)
        shop.level()
    shop.check()
    (watched,) = [each for each in watch.events if each["event"] == "watched"]
    assert not watched["wrong"] and watched["positions"] > 5, watched
    shop.worker.remove(shop.name)


def end(follower: Follower, what: str) -> None:
    if what == "loader":
        follower.end()
    elif what in SERVICES:
        kill(follower.shop.cloud, what)
    else:
        follower.end_at(what)
