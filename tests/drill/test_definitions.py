"""Drills that are asked for wrongly are refused in one line before anything starts; those that are kept are whole."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import catalog
from infra.drill import actions, command
from infra.drill.main import checked_faults, hasten
from infra.errors import OrreryError
from infra.local.faults import Fault

BLACKHOLE = catalog.built("14_blackhole")


@pytest.mark.parametrize("file", command.experiments(BLACKHOLE), ids=lambda file: file.stem)
def test_an_experiment_is_whole(file: Path) -> None:
    found = json.loads(file.read_text())
    (probe,) = found["steady-state-hypothesis"]["probes"]
    assert hasattr(actions, probe["provider"]["func"])
    assert [each["provider"]["func"] for each in found["rollbacks"]] == ["end"]
    assert found["method"][-1]["provider"]["func"] == "end", "the fault ends, and what comes then is measured too"
    assert all(hasattr(actions, each["provider"]["func"]) for each in found["method"])
    struck = "us-east-1" if file.stem.startswith("primary") else "eu-west-1"
    assert {each["region"] for each in checked_faults(found, file)} == {struck}
    assert any(each["name"] == "orrery" and each["abort_when_unserved_s"] for each in found["extensions"])


def test_a_fault_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    file = command.experiments(BLACKHOLE)[0]
    broken = json.loads(file.read_text())
    step = next(each for each in broken["method"] if each["provider"].get("arguments", {}).get("faults"))
    step["provider"]["arguments"]["faults"].append({"kind": "explode", "region": "eu-west-1"})
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(broken, indent=2))
    line = next(number for number, text in enumerate(bad.read_text().splitlines(), 1) if "explode" in text)
    with pytest.raises(OrreryError, match=rf"^bad\.json:{line}: .*kind") as refused:
        checked_faults(broken, bad)
    assert refused.value.next_step


def test_an_unknown_experiment_names_those_that_there_are() -> None:
    with pytest.raises(OrreryError, match="no experiment 'nothing'") as refused:
        command.chosen(BLACKHOLE, "nothing")
    assert "region_refuses" in (refused.value.next_step or "")
    assert command.chosen(BLACKHOLE, "region_hangs").stem == "region_hangs"


def test_a_stack_without_a_drill_says_so() -> None:
    with pytest.raises(OrreryError, match="01_meteor has no drill"):
        command.settings_of(catalog.built("01_meteor"))
    half: Any = SimpleNamespace(id="x", settings={"drill": {"workload": "a:B"}})
    with pytest.raises(OrreryError, match="lacks name, zone"):
        command.settings_of(half)


def test_a_stack_that_is_set_so_that_nothing_can_fail_over_says_why() -> None:
    stack: Any = SimpleNamespace(info=BLACKHOLE, no_drill=("one region serves", "choose another tier"))
    with pytest.raises(OrreryError, match="14_blackhole has nothing to drill: one region serves") as refused:
        command.check_stack(stack)
    assert refused.value.next_step == "choose another tier"
    command.check_stack(SimpleNamespace(info=BLACKHOLE, no_drill=None))  # type: ignore[arg-type]


def test_actions_set_note_and_end_faults_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[list[Fault]] = []
    noted: list[tuple[str, str]] = []
    run = actions.Run(lambda faults: held.append(list(faults)), lambda *each: noted.append(each), lambda: 0.5)
    monkeypatch.setattr(actions, "RUN", run)
    actions.begin([{"kind": "refuse", "region": "eu-west-1"}])
    actions.begin([])
    actions.end()
    actions.end()
    assert [[str(each.kind) for each in faults] for faults in held] == [["refuse"], [], [], []]
    assert noted == [("fault begins", "eu-west-1"), ("fault pauses", ""), ("fault ends", "")]
    assert actions.served() == 0.5


def test_another_target_than_the_local_cloud_is_refused() -> None:
    command.check_target("local")
    with pytest.raises(OrreryError, match="local cloud only, not on aws"):
        command.check_target("aws")


def test_a_drill_in_a_hurry_shortens_all_times_of_its_experiment() -> None:
    found = json.loads(command.chosen(BLACKHOLE, "region_flaps").read_text())
    hasten(found, 5)
    flap, mend = found["method"]
    assert (flap["provider"]["arguments"]["on_s"], flap["provider"]["arguments"]["off_s"]) == (3, 3)
    assert flap["provider"]["arguments"]["times"] == 4, "how often is no time"
    assert mend["pauses"]["after"] == 6
