"""14_blackhole as a pilot light: the data waits in the second region, a promotion lets it serve, and clients follow.

It is the stack that other tests deploy with its defaults, so what is there of it is destroyed first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import targets
from infra.live import Live
from infra.local import Cloud
from infra.output import Ui

pytestmark = pytest.mark.e2e

SLUG = "14-blackhole"
HOME, AWAY = "us-east-1", "eu-west-1"
USER = {"name": "Vera Rubin", "email": "vera@example.com"}


@pytest.fixture(scope="module")
def deployed(orrery: Any) -> Iterator[str]:
    """What the deployment of the pilot light printed."""
    if orrery.resources(SLUG):
        orrery.ok("destroy", "14")
    yield orrery.ok("deploy", "14", "--set", "tier=pilot_light")
    if orrery.resources(SLUG):
        orrery.ok("destroy", "14")


def live(orrery: Any, local_cloud: Cloud) -> Live:
    target = targets.local(local_cloud.aws_environment(), local_cloud.endpoint("aws").region_urls)
    return Live(target, orrery.outputs(SLUG), Ui())


def ask(at: Live, region: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = at.outputs[f"api_{region.replace('-', '_')}"] + path
    answer = at.http(method, url, region, json.dumps(body) if body else None)
    return answer.status, json.loads(answer.body)


def test_a_pilot_light_serves_in_one_region_and_has_its_data_in_both(deployed: str, orrery: Any) -> None:
    assert f"a user written in {HOME} is read in {AWAY}: PUT 201, in the table's replica there" in deployed
    assert f"an avatar put in {HOME} arrives in {AWAY}" in deployed and "FAILED" not in deployed
    outputs = orrery.outputs(SLUG)
    assert "api_eu_west_1" not in outputs and outputs["chosen_settings"] == {"tier": "pilot_light"}


def test_later_commands_mean_the_same_tier_and_say_so(deployed: str, orrery: Any) -> None:
    for command in ("deploy", "drift"):
        done = orrery.run(command, "14")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "as it was deployed: tier=pilot_light" in done.stderr
        assert "14_blackhole on local: no " in done.stdout, done.stdout


def test_there_is_nothing_to_drill_before_the_promotion(deployed: str, orrery: Any) -> None:
    done = orrery.run("drill", "14")
    assert done.returncode == 1 and "only us-east-1 serves" in done.stderr
    assert 'next: let the other one serve too: make deploy STACK=14_blackhole SET="tier=pilot_light' in done.stderr


def test_promoted_the_second_region_answers_with_what_was_written_before(
    deployed: str, orrery: Any, local_cloud: Cloud
) -> None:
    assert ask(live(orrery, local_cloud), HOME, "PUT", "/users/vera", USER)[0] == 201
    promoted = orrery.ok("deploy", "14", "--set", "promoted=true")
    assert f"the health check of {AWAY} answers: 200" in promoted
    first = promoted.splitlines()[0]
    assert first.startswith("14_blackhole on local: ") and "replace" not in first and "delete" not in first
    at = live(orrery, local_cloud)
    assert at.outputs["chosen_settings"] == {"promoted": True, "tier": "pilot_light"}
    status, found = ask(at, AWAY, "GET", "/users/vera")
    assert (status, found["name"], found["written_in"]) == (200, "Vera Rubin", HOME)
    assert ask(at, AWAY, "PUT", "/users/vera", USER | {"name": "V. Rubin"})[1]["version"] == 2


def test_when_the_primary_falls_everybody_is_led_to_the_promoted_region(
    deployed: str, orrery: Any, tmp_path: Path
) -> None:
    arguments = ("drill", "14", "primary_refuses", "--hurry", "10", "--seed", "3", "--out", str(tmp_path))
    done = orrery.run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "14_blackhole").iterdir()
    found = json.loads((folder / "measures.json").read_text())
    assert found["detection_s"] is not None and found["failover_s"] is not None
    assert found["lost"] == found["mixed"] == found["differing"] == []
    calls = [json.loads(line)["call"] for line in (folder / "journal.jsonl").read_text().splitlines() if "call" in line]
    assert {each["region"] for each in calls[:50]} == {HOME}, "the primary, also for those who are near the other one"
    assert AWAY in {each["region"] for each in calls if each["ok"]}


def test_destroyed_nothing_of_either_region_is_left(deployed: str, orrery: Any, local_cloud: Cloud) -> None:
    gone = orrery.ok("destroy", "14")
    assert "14_blackhole is gone; nothing of it is left in the local cloud." in gone
    assert orrery.resources(SLUG) == 0 and local_cloud.leftovers(SLUG, [HOME, AWAY]) == []
