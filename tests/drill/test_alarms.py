"""A drill waits for the alarms that have to fire, where they take their time, and for those that fire to clear."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.drill import alarms
from infra.drill.alarms import Alarms


class Watch:
    """CloudWatch, with the alarms that the test lets fire; it may refuse to answer."""

    def __init__(self) -> None:
        self.firing: set[str] = set()
        self.namespace = "AWS/DynamoDB"
        self.refuses = threading.Event()

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=self.pages)

    def pages(self, **asked: Any) -> list[dict[str, Any]]:
        if self.refuses.is_set():
            self.refuses.clear()
            raise ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "DescribeAlarms")
        firing = [{"AlarmName": name, "StateValue": "ALARM", "Namespace": self.namespace} for name in list(self.firing)]
        return [{"MetricAlarms": firing}]


@pytest.fixture
def heard() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def made(watch: Watch, heard: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Alarms]:
    monkeypatch.setattr(alarms, "LOOK_S", 0.01)
    found = Alarms(lambda region: watch, ["us-east-1"], "orrery-", lambda *each: heard.append(each), ["AWS/Lambda"])
    found.start()
    yield found
    found.stop()


def test_an_alarm_that_has_to_fire_is_waited_for(made: Alarms, watch: Watch) -> None:
    threading.Timer(0.1, lambda: watch.firing.add("orrery-health-eu-unhealthy")).start()
    assert made.heard(["eu-unhealthy"], 10)
    assert not made.heard(["eu-unhealthy", "another"], 0.05)
    assert made.heard([], 0)


def test_one_that_fires_is_waited_for_until_it_clears(made: Alarms, watch: Watch, heard: list[tuple[str, str]]) -> None:
    watch.firing.add("orrery-lag")
    assert made.heard(["lag"], 10) and not made.quiet(0.05)
    watch.firing.clear()
    assert made.quiet(10)
    assert heard == [("alarm fires", "lag"), ("alarm clears", "lag")]


def test_one_that_only_a_new_value_clears_is_told_and_not_waited_for(made: Alarms, watch: Watch) -> None:
    watch.namespace = "AWS/Lambda"
    watch.firing.add("orrery-throttles")
    assert made.heard(["throttles"], 10) and made.quiet(0)
    watch.namespace = "AWS/DynamoDB"
    watch.firing.add("orrery-lag")
    assert made.heard(["lag"], 10) and not made.quiet(0)
    assert made.unquiet == {"lag"}


def test_a_look_that_is_refused_is_made_again(made: Alarms, watch: Watch) -> None:
    watch.refuses.set()
    deadline = time.monotonic() + 10
    while watch.refuses.is_set():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)
    watch.firing.add("orrery-lag")
    assert made.heard(["lag"], 10)
