"""Drills that are asked for wrongly are refused in one line before anything starts; those that are kept are whole."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import catalog
from infra.drill import actions, command
from infra.drill.experiment import checked_faults, hasten
from infra.drill.main import failed_steps
from infra.errors import OrreryError
from infra.local.faults import Fault

BLACKHOLE = catalog.built("14_blackhole")


@pytest.mark.parametrize("file", command.experiments(BLACKHOLE), ids=lambda file: file.stem)
def test_an_experiment_is_whole(file: Path) -> None:
    found = json.loads(file.read_text())
    (probe,) = found["steady-state-hypothesis"]["probes"]
    assert hasattr(actions, probe["provider"]["func"])
    assert [each["provider"]["func"] for each in found["rollbacks"]] == ["end"]
    funcs = [each["provider"]["func"] for each in found["method"]]
    assert funcs[-1] in ("end", "take_back") and "end" in funcs, "the fault ends, and what comes then is measured too"
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
    with pytest.raises(OrreryError, match="lacks load, name, zone"):
        command.settings_of(half)
    idle = {
        "workload": "a:B",
        "name": "n",
        "zone": "z",
        "load": {"data": {"clients": 0, "writes_per_s": 1, "what": "w"}},
    }
    half.settings["drill"] = idle
    with pytest.raises(OrreryError, match=r"\[drill\.load\.data\] in stack.toml needs clients"):
        command.settings_of(half)


def test_rates_are_of_paths_that_there_are() -> None:
    assert command.rates_from("data=20, api=1.5") == {"data": 20.0, "api": 1.5}
    assert command.rates_from("") == {}
    for wrong in ("data", "data=fast", "data=1=2"):
        with pytest.raises(OrreryError, match="is no list of rates"):
            command.rates_from(wrong)
    assert command.checked_rates(BLACKHOLE, {"data": 20})["api"] == 3, "the others are as the stack wants"
    for unknown in ({"mail": 3.0}, {"data": 0.0}):
        with pytest.raises(OrreryError) as refused:
            command.checked_rates(BLACKHOLE, unknown)
        assert "data, api, avatars, shared" in (refused.value.next_step or "")


def test_the_table_of_many_drills_says_what_broke_and_how_to_repeat_it() -> None:
    def done(seed: int, rto: float | None, *broken: str) -> command.Done:
        measures = {"detection_s": 2.0, "rto_s": rto, "rpo_s": 0.5, "lost": ["k"] * bool(broken)}
        return command.Done("region_x", seed, f"again {seed}", broken=broken, measures=measures)

    text = command.report_all(BLACKHOLE, [done(1, 4.0), done(2, 6.0), done(3, None, "1 keys have lost")], 10, 10)
    assert "| region_x | 3 | 1 | 2.0, 2.0 | 5.0, 6.0 | 0.5, 0.5 | 1 | 0 | 0 |" in text
    assert "- region_x, seed 3: 1 keys have lost. `again 3`" in text


def test_the_same_again_names_seed_hurry_and_rates(tmp_path: Path) -> None:
    wanted = command.Wanted({}, tmp_path, 10, {"data": 12.5})
    again = wanted.again(BLACKHOLE, Path("region_hangs.json"), 7)
    assert again == "./orrery drill 14_blackhole region_hangs --seed 7 --hurry 10 --rates data=12.5"


def test_a_stack_that_is_set_so_that_nothing_can_fail_over_says_why() -> None:
    stack: Any = SimpleNamespace(info=BLACKHOLE, no_drill=("one region serves", "choose another tier"))
    with pytest.raises(OrreryError, match="14_blackhole has nothing to drill: one region serves") as refused:
        command.check_stack(stack)
    assert refused.value.next_step == "choose another tier"
    command.check_stack(SimpleNamespace(info=BLACKHOLE, no_drill=None))  # type: ignore[arg-type]


def test_actions_set_note_and_end_faults_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[list[Fault]] = []
    noted: list[tuple[str, str]] = []
    run = actions.Run(
        lambda faults: held.append(list(faults)),
        lambda *each: noted.append(each),
        lambda: 0.5,
        lambda region, back: [f"{region} {back}"],
        lambda region: "503",
    )
    monkeypatch.setattr(actions, "RUN", run)
    actions.begin([{"kind": "refuse", "region": "eu-west-1"}])
    actions.begin([{"kind": "hang", "region": "eu-west-1"}])
    actions.begin([])
    actions.end()
    actions.end()
    assert [[str(each.kind) for each in faults] for faults in held] == [["refuse"], ["hang"], [], [], []]
    assert noted == [
        ("fault begins", "eu-west-1"),
        ("fault changes", "eu-west-1"),
        ("fault pauses", ""),
        ("fault ends", ""),
    ]
    assert actions.served() == 0.5
    noted.clear()
    assert actions.give_up("eu-west-1") == ["eu-west-1 False"] and actions.take_back("eu-west-1") == ["eu-west-1 True"]
    assert actions.try_fenced("eu-west-1") == "503"
    monkeypatch.setattr(run, "probe", lambda region: "ok")
    actions.try_fenced("eu-west-1")
    assert [what for what, _ in noted] == [
        "given up",
        "taken back",
        "fenced write refused: 503",
        "fenced write accepted",
    ]


def test_a_step_that_failed_is_told_although_the_experiment_went_on() -> None:
    good = {"activity": {"name": "break"}, "status": "succeeded"}
    why = ["Traceback\n", "chaoslib.exceptions.ActivityFailed: infra.errors.OrreryError: it is not well (next: …)\n"]
    bad = {"activity": {"name": "take it back"}, "status": "failed", "exception": why}
    journal = {"status": "completed", "run": [good, bad], "rollbacks": [good]}
    assert failed_steps(journal) == [("take it back", "it is not well (next: …)")]


def test_a_drill_in_a_hurry_shortens_all_times_of_its_experiment() -> None:
    found = json.loads(command.chosen(BLACKHOLE, "region_flaps").read_text())
    hasten(found, 5)
    flap, mend = found["method"]
    assert (flap["provider"]["arguments"]["on_s"], flap["provider"]["arguments"]["off_s"]) == (3, 3)
    assert flap["provider"]["arguments"]["times"] == 4, "how often is no time"
    assert mend["pauses"]["after"] == 6
