"""Settings chosen on the command line: in their type or not at all, and remembered by what is deployed with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import deploy, settings, stack, targets
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.output import Ui
from infra.review import synthesise

from .conftest import TOML

CODE = """
from infra.live import Check
from infra.stack import Stack


class Quasar(Stack):
    def build(self):
        if self.info.settings["shape"] != "none":
            self.module("topic", "topic", name=self.physical(self.info.settings["shape"]), kms_key_arn="arn:aws:kms:x")
        self.output("beats", str(self.info.settings["beats"]), "How often.")

    def smoke(self, live):
        yield Check("it beats", True, self.info.settings["shape"])
"""
CHOICES = (
    TOML + '\n[settings]\nshape = "ring"\nbeats = 3\nloud = false\nnames = ["a"]\n[settings.table]\nkey = "value"\n'
)


@pytest.fixture
def info(plant: Callable[..., StackInfo]) -> StackInfo:
    return plant("70_quasar", CODE, CHOICES)


def test_a_value_has_the_type_of_its_default(info: StackInfo) -> None:
    chosen = settings.choose(info, ["shape=disc", "beats=5", "loud=True"])
    assert (chosen.settings["shape"], chosen.settings["beats"], chosen.settings["loud"]) == ("disc", 5, True)
    assert chosen.settings["table"] == {"key": "value"} and info.settings["shape"] == "ring"
    assert settings.shown(chosen.chosen) == "shape=disc beats=5 loud=true"


def test_nothing_behind_the_sign_is_the_default(info: StackInfo) -> None:
    assert settings.choose(info, ["shape=", "beats="]).chosen == {"shape": "ring", "beats": 3}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shap=disc", "no setting 'shap', did you mean 'shape'"),
        ("table=x", "no setting 'table'"),
        ("names=b", "no setting 'names'"),
        ("shape", "wants a setting as name=value, not 'shape'"),
        ("beats=often", "beats is a whole number, not 'often'"),
        ("beats=1.5", "beats is a whole number, not '1.5'"),
        ("loud=1", "loud is true or false, not '1'"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_can(info: StackInfo, text: str, says: str) -> None:
    with pytest.raises(OrreryError, match=says) as refused:
        settings.choose(info, [text])
    assert refused.value.next_step == "the settings with their defaults: shape=ring beats=3 loud=false"


def test_a_stack_without_settings_says_so(plant: Callable[..., StackInfo]) -> None:
    with pytest.raises(OrreryError, match="70_quasar has no settings to choose"):
        settings.choose(plant("70_quasar", CODE), ["shape=disc"])


def outputs(info: StackInfo, folder: Path) -> dict[str, Any]:
    return dict(stack.create(info, targets.offline(), folder)[1]["output"])


def test_only_what_differs_is_written_into_the_state(info: StackInfo, tmp_path: Path) -> None:
    assert settings.OUTPUT not in outputs(info, tmp_path / "1")
    assert settings.OUTPUT not in outputs(settings.choose(info, ["shape=ring"]), tmp_path / "2")
    written = outputs(settings.choose(info, ["shape=ring", "loud=true"]), tmp_path / "3")
    assert written[settings.OUTPUT]["value"] == {"loud": True}


def test_what_is_said_counts_more_than_what_is_remembered(info: StackInfo) -> None:
    state = {settings.OUTPUT: {"shape": "disc", "beats": 9}}
    remembered, kept = settings.remember(settings.choose(info, ["beats=3"]), state)
    assert kept == {"shape": "disc"} and remembered.chosen == {"shape": "disc", "beats": 3}
    assert settings.differing(remembered, info) == {"shape": "disc"}


def test_what_is_no_setting_any_more_is_forgotten(info: StackInfo) -> None:
    state = {settings.OUTPUT: {"gone": "x", "loud": "yes", "beats": True}}
    assert settings.remember(info, state) == (info, {})


# ------------------------------------------------------------------------------------- of a deployment


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def up(names: list[str], on_progress: object = None) -> dict[str, Any]:
        return {"aws": SimpleNamespace(region_urls={})}

    keys = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}
    made = SimpleNamespace(up=up, aws_environment=lambda: keys)
    monkeypatch.setattr(deploy, "cloud", lambda: made)
    monkeypatch.setattr(deploy, "STATE", tmp_path / "state")


def state(**chosen: Any) -> dict[str, Any]:
    """Return what ``terraform state pull`` says of one topic, deployed with some settings."""
    topic = {"mode": "managed", "type": "aws_sns_topic", "name": "this", "instances": [{}]}
    kept = {settings.OUTPUT: {"value": chosen}} if chosen else {}
    return {"text": json.dumps({"version": 4, "outputs": kept, "resources": [topic]})}


def written(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state/stacks/70-quasar/local/main.tf.json").read_text())
    return found


def test_a_later_command_means_what_is_deployed_and_says_so(
    info: StackInfo, cloud: None, terraform: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform.does(state=state(shape="disc"))
    deploy.deploy(info, "local", Ui(), yes=False)
    assert "as it was deployed: shape=disc" in capsys.readouterr().err
    assert written(tmp_path)["module"]["topic"]["name"] == "orrery-70-quasar-disc"


def test_another_choice_replaces_the_one_that_is_remembered(
    info: StackInfo, cloud: None, terraform: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform.does(state=state(shape="disc"))
    deploy.deploy(settings.choose(info, ["shape=ring"]), "local", Ui(), yes=False)
    assert "as it was deployed" not in capsys.readouterr().err
    assert settings.OUTPUT not in written(tmp_path)["output"]


FIXED = 'fixed = ["shape"]\n' + CHOICES


def test_what_a_deployment_keeps_is_not_chosen_anew(
    plant: Callable[..., StackInfo], cloud: None, terraform: Any
) -> None:
    terraform.does(state=state(shape="disc"))
    chosen = settings.choose(plant("70_quasar", CODE, FIXED), ["shape=ring"])
    with pytest.raises(OrreryError, match="70_quasar is deployed with shape=disc") as told:
        deploy.deploy(chosen, "local", Ui(), yes=False)
    assert told.value.next_step == "make destroy STACK=70_quasar, then deploy it with shape=ring"
    assert "plan" not in terraform.commands


@pytest.mark.parametrize("known", [{"shape": "disc"}, {}], ids=["the same", "ended half way"])
def test_it_may_be_named_again_and_chosen_where_nothing_was_kept(
    plant: Callable[..., StackInfo], cloud: None, terraform: Any, known: dict[str, str]
) -> None:
    terraform.does(state=state(**known))
    deploy.deploy(settings.choose(plant("70_quasar", CODE, FIXED), ["shape=disc"]), "local", Ui(), yes=False)
    assert "plan" in terraform.commands


def test_a_choice_that_changes_no_resource_is_kept_all_the_same(
    info: StackInfo, cloud: None, terraform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform.does(
        plan={"events": [{"type": "outputs", "outputs": {settings.OUTPUT: {"action": "create"}}}]}, state=state()
    )
    deploy.deploy(settings.choose(info, ["loud=true"]), "local", Ui(), yes=False)
    assert "70_quasar on local: no resource changes, only outputs." in capsys.readouterr().out
    assert "apply" in terraform.commands


def test_outputs_that_stay_as_they_are_are_not_applied(info: StackInfo, cloud: None, terraform: Any) -> None:
    terraform.does(plan={"events": [{"type": "outputs", "outputs": {"beats": {"action": "noop"}}}]}, state=state())
    deploy.deploy(info, "local", Ui(), yes=False)
    assert "apply" not in terraform.commands


def test_a_saved_plan_is_checked_with_the_settings_that_it_was_made_with(
    info: StackInfo, cloud: None, terraform: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reviewed.tfplan").write_text("a plan")
    shown = {"resource_changes": [], "output_changes": {settings.OUTPUT: {"actions": ["create"]}}}
    afterwards = {str(terraform.home / "scenario.json"): json.dumps({"state": state(shape="disc")})}
    terraform.does(show={"text": json.dumps(shown)}, state=state(), apply={"files": afterwards})
    deploy.deploy(info, "local", Ui(), yes=False, saved=tmp_path / "reviewed.tfplan")
    assert "  ok  it beats: disc" in capsys.readouterr().out


def test_a_review_compares_with_the_settings_that_are_chosen(info: StackInfo, tmp_path: Path) -> None:
    synthesise.main([str(tmp_path), f"--chosen={json.dumps({info.id: {'shape': 'disc'}})}", info.id])
    made = json.loads((tmp_path / "70-quasar.stack.json").read_text())
    assert made["configuration"]["module"]["topic"]["name"] == "orrery-70-quasar-disc"


PLANNED = CHOICES + '\n[planned]\nshape = "none"\n'


def test_a_plan_without_an_account_is_made_with_what_needs_no_other_provider(plant: Callable[..., StackInfo]) -> None:
    planned = settings.for_plans(plant("71_planned", CODE, PLANNED))
    assert planned.settings["shape"] == "none" and planned.settings["beats"] == 3


def test_what_is_chosen_is_planned_all_the_same(plant: Callable[..., StackInfo]) -> None:
    info = settings.choose(plant("71_planned", CODE, PLANNED), ["shape=disc"])
    assert settings.for_plans(info).settings["shape"] == "disc"


def test_a_stack_without_such_a_choice_is_planned_as_it_is(info: StackInfo) -> None:
    assert settings.for_plans(info) is info


def test_a_review_plans_both_sides_so(plant: Callable[..., StackInfo], tmp_path: Path) -> None:
    info = plant("71_planned", CODE, PLANNED)
    for number, (chosen, modules) in enumerate((({}, []), ({info.id: {"shape": "disc"}}, ["topic"]))):
        out = tmp_path / str(number)
        out.mkdir()
        synthesise.main([str(out), *([f"--chosen={json.dumps(chosen)}"] if chosen else []), info.id])
        made = json.loads((out / "71-planned.stack.json").read_text())
        assert list(made["configuration"].get("module", {})) == modules


def test_a_command_says_with_what_it_plans(
    plant: Callable[..., StackInfo], terraform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "STATE", tmp_path / "state")
    info, noted = plant("71_planned", CODE, PLANNED), []
    monkeypatch.setattr(Ui, "note", lambda self, text: noted.append(text))
    with deploy.session(info, "offline", Ui()) as at:
        assert at.stack.info.settings["shape"] == "none"
    assert noted == ["as its stack.toml says for plans without an account: shape=none (another choice: --set)"]


def test_only_the_services_that_the_settings_need_are_started(
    plant: Callable[..., StackInfo], terraform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a deployment remembers decides, so nothing else may be started before it is read."""
    by = '\n[services_by.shape]\nring = ["postgres"]\ndisc = ["snowflake"]\n'
    info, started = plant("72_served", CODE, CHOICES + by), []

    class Cloud:
        def up(self, names: list[str], on_progress: object = None) -> dict[str, Any]:
            started.append(names)
            return {"aws": SimpleNamespace(region_urls={})}

        def aws_environment(self) -> dict[str, str]:
            return {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    monkeypatch.setattr(deploy, "cloud", Cloud)
    monkeypatch.setattr(deploy, "STATE", tmp_path / "state")
    for remembered, wanted in (("ring", "postgres"), ("disc", "snowflake"), ("none", "")):
        started.clear()
        terraform.does(state=state(shape=remembered) if remembered != "ring" else state())
        with deploy.session(info, "local", Ui()):
            pass
        assert started == [["aws"], *([[wanted]] if wanted else [])]
