"""Clients do what a seed says, ask no more than the machine carries, and each knows which write is its newest."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest

from infra.drill.workload import HEADROOM, Failed, Found, Plan, affordable, carried

HOMES = ("us-east-1", "eu-west-1")
PLAN = Plan(7, HOMES, {"data": 40.0, "shared": 2.0}, {"data": 4, "shared": 2}, ["shared"])


class Store:
    """A store that takes as long as the test says for each write."""

    guarded = "data"

    def __init__(self, takes_s: float, broken: bool = False) -> None:
        self.takes_s, self.broken = takes_s, broken
        self.written: dict[str, list[int]] = defaultdict(list)

    def write(self, path: str, region: str, key: str, seq: int) -> None:
        threading.Event().wait(self.takes_s)
        if self.broken:
            raise Failed("503")
        self.written[key].append(seq)

    def read(self, path: str, region: str, key: str) -> int:
        return self.written[key][-1]

    def content(self, region: str, keys: Sequence[str]) -> Mapping[str, Found]:
        return {}

    def healthy(self, region: str, timeout_s: float) -> bool:
        return True

    def remove(self, keys: Sequence[str]) -> None:
        """Nothing is kept."""


def test_clients_are_spread_over_the_regions_and_own_their_keys() -> None:
    data = [each for each in PLAN.people() if each.path == "data"]
    assert [each.home for each in data] == ["us-east-1", "eu-west-1"] * 2
    keys = [key for each in data for key in PLAN.keys_of(each)]
    assert len(set(keys)) == len(keys) == 80


def test_clients_of_a_shared_path_write_the_same_keys_and_never_the_same_number() -> None:
    one, two = (each for each in PLAN.people() if each.path == "shared")
    assert PLAN.keys_of(one) == PLAN.keys_of(two) and one.home != two.home
    numbers = [PLAN.seq(each, count) for each in (one, two) for count in range(1, 50)]
    assert len(set(numbers)) == len(numbers)
    assert len(PLAN.every_key) == 80 + 5


def test_trials_use_no_key_of_a_client() -> None:
    trials = {PLAN.trial_key(each) for each in PLAN.people()}
    assert len(trials) == 6 and not trials & set(PLAN.every_key)


def test_what_a_path_carries_is_measured_and_depends_on_the_store() -> None:
    slow, fast = (carried(PLAN, Store(takes), 0.2)["data"] for takes in (0.02, 0.002))
    assert 20 < slow < 4 / 0.02 * 1.2 and fast > 2 * slow
    assert carried(PLAN, Store(0.001, broken=True), 0.05) == {"data": 0.0, "shared": 0.0}


def test_rates_are_as_wanted_where_there_is_headroom_and_less_in_proportion_where_not() -> None:
    wanted = {"data": 50.0, "api": 4.0}
    assert affordable(wanted, {"data": 500.0, "api": 40.0}) == wanted
    less = affordable(wanted, {"data": 100.0, "api": 8.0})
    assert less == {"data": 25.0, "api": 2.0}
    assert sum(less[path] / rate for path, rate in {"data": 100.0, "api": 8.0}.items()) == pytest.approx(HEADROOM)


def test_where_writes_are_paid_a_trial_makes_no_more_than_so_many() -> None:
    store = Store(0.0001)
    found = carried(PLAN, store, 1.0, most=10)
    written = {
        path: sum(len(seqs) for key, seqs in store.written.items() if f"-{path}-trial-" in key) for path in found
    }
    assert written == {"data": 400, "shared": 20}
    assert found["data"] > 400, "it is over before the second is"
