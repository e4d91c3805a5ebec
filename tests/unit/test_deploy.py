"""The life of a stack: one run at a time, nothing lost unasked, and a line that says what really ran."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import deploy, targets
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.local import spark
from infra.output import Ui
from infra.paths import ROOT
from infra.terraform import Change, Plan, State

CODE = """
from infra.live import Check
from infra.stack import Stack


class Quasar(Stack):
    def build(self):
        topic = self.module("topic", "topic", name=self.physical("news"), kms_key_arn="arn:aws:kms:x")
        self.output("topic", topic.arn, "Where news go.")

    def smoke(self, live):
        yield Check("it beats", {ok}, "once")

    def run(self, live, data):
        live.ui.say(f"ran on {{live.outputs['topic']}}")
        {run}
"""
BUCKET = {"addr": "module.a.aws_s3_bucket.this", "resource_type": "aws_s3_bucket"}
ROLE = {"addr": "module.a.aws_iam_role.this", "resource_type": "aws_iam_role"}


class FakeCloud:
    """A local cloud that is up at once and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.left: list[str] = []
        self.bootstrap = ""
        self.password = "s3cret-password"

    def up(self, names: list[str], on_progress: object = None) -> dict[str, Any]:
        self.asked.append(("up", names))
        return {"aws": SimpleNamespace(region_urls={"us-east-1": "http://127.0.0.1:2"})}

    def aws_environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}

    def provision_database(self, name: str) -> Any:
        self.asked.append(("provision", name))
        return SimpleNamespace(host="127.0.0.1", port=5433, database=name, user=name, password=self.password)

    def drop_database(self, name: str) -> None:
        self.asked.append(("drop", name))

    def provision_mysql(self, name: str) -> Any:
        self.asked.append(("provision mysql", name))
        return SimpleNamespace(host="127.0.0.1", port=3306, database=name, user=name, password=self.password)

    def drop_mysql(self, name: str) -> None:
        self.asked.append(("drop mysql", name))

    def drop_connectors(self, prefix: str) -> None:
        self.asked.append(("drop connectors", prefix))

    def endpoint(self, name: str) -> Any:
        return SimpleNamespace(url="127.0.0.1:9092" if name == "kafka" else f"http://{name}")

    @property
    def debezium(self) -> Any:
        return SimpleNamespace(secrets=Path("/secrets"))

    def elsewhere(self, name: str) -> Any:
        return SimpleNamespace(url=self.bootstrap) if self.bootstrap else None

    def kafka_brokers(self) -> int:
        return 1

    def drop_topics(self, prefix: str) -> None:
        self.asked.append(("drop topics", prefix))

    def install_crontab(self, name: str, file: Path, settings: Any) -> None:
        self.asked.append(("crontab", name, file, settings))

    def remove_crontab(self, name: str) -> None:
        self.asked.append(("no crontab", name))

    def erase(self) -> None:
        self.asked.append(("erase",))

    def leftovers(self, stack: str, regions: list[str]) -> list[str]:
        self.asked.append(("leftovers", stack, regions))
        return self.left


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCloud:
    made = FakeCloud()
    monkeypatch.setattr(deploy, "cloud", lambda: made)
    monkeypatch.setattr(deploy, "STATE", tmp_path / "state")
    return made


@pytest.fixture
def info(plant: Callable[..., StackInfo], cloud: FakeCloud) -> StackInfo:
    return plant("70_quasar", CODE.format(ok=True, run="pass"))


def deployed(*resources: dict[str, str]) -> str:
    """Return the state of a stack with these resources and one output."""
    listed = [
        {
            "mode": "managed",
            "module": each["addr"].rpartition(f".{each['resource_type']}")[0],
            "type": each["resource_type"],
            "name": each["addr"].rpartition(".")[2],
            "instances": [{}],
        }
        for each in resources
    ]
    return json.dumps({"version": 4, "outputs": {"topic": {"value": "arn:topic"}}, "resources": listed})


def planned(*changes: tuple[str, dict[str, str]], **more: dict[str, Any]) -> dict[str, Any]:
    events = [{"type": "planned_change", "change": {"resource": each, "action": action}} for action, each in changes]
    return {
        "plan": {"events": events},
        "state": {"text": deployed(BUCKET, ROLE)},
        **more,
    }


# ------------------------------------------------------------------------------------- deploy, destroy


def test_a_deployment_plans_applies_checks_and_says_what_to_try_next(
    info: StackInfo, terraform: Any, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform.does(**planned(("create", BUCKET), ("create", ROLE)))
    deploy.deploy(info, "local", Ui(), yes=False)
    assert terraform.commands == ["init", "plan", "apply", "state"]
    assert capsys.readouterr().out.splitlines() == [
        "70_quasar on local: 2 to create.",
        "  ok  it beats: once",
        "",
        "Local cloud: 2 resources executed, 0 accepted (control plane only), 0 modules stood in for, 0 cloud-only.",
        "  topic = arn:topic",
        "Next:",
        "  make run STACK=70_quasar",
        "  make destroy STACK=70_quasar",
    ]
    assert cloud.asked[0] == ("up", ["aws"])


def test_a_second_deployment_without_a_change_applies_nothing_and_still_checks(
    info: StackInfo, terraform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform.does(**planned())
    deploy.deploy(info, "local", Ui(), yes=False)
    assert "apply" not in terraform.commands
    out = capsys.readouterr().out
    assert out.startswith("70_quasar on local: no change, everything is as it should be.")
    assert "ok  it beats" in out


def test_a_failing_smoke_check_fails_the_deployment(
    plant: Callable[..., StackInfo], cloud: FakeCloud, terraform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    info = plant("70_quasar", CODE.format(ok=False, run="pass"))
    terraform.does(**planned(("create", BUCKET)))
    with pytest.raises(OrreryError) as caught:
        deploy.deploy(info, "local", Ui(), yes=False)
    assert caught.value.what == "deployed, but 1 smoke checks failed: it beats"
    assert caught.value.code != 0 and "make logs" in caught.value.next_step
    assert "FAILED  it beats: once" in capsys.readouterr().out


def test_a_smoke_check_that_breaks_names_its_line(
    plant: Callable[..., StackInfo], cloud: FakeCloud, terraform: Any
) -> None:
    info = plant("70_quasar", CODE.format(ok="1 / 0", run="pass"))
    terraform.does(**planned())
    with pytest.raises(OrreryError, match=r"stacks/70_quasar/stack\.py, line 12: ZeroDivisionError"):
        deploy.deploy(info, "local", Ui(), yes=False)


def test_destroying_removes_everything_and_looks_whether_it_is_gone(
    info: StackInfo, terraform: Any, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform.does(**planned(("delete", BUCKET)))
    (spark.folder("70-quasar") / "tmp").mkdir(parents=True)
    deploy.destroy(info, "local", Ui(), yes=False)
    assert not spark.folder("70-quasar").exists()
    assert "-destroy" in terraform.calls[1] and terraform.commands == ["init", "plan", "apply"]
    assert cloud.asked[-1] == ("leftovers", "70-quasar", ["us-east-1"])
    assert "nothing of it is left" in capsys.readouterr().out


CRONTAB = """
    def crontab(self, live):
        from infra.stack import Crontab

        return Crontab(self.info.path / "crontab", {"TOPIC": live.outputs["topic"]})
"""


def test_what_a_stack_keeps_beside_its_resources_goes_before_them(
    plant: Callable[..., StackInfo], terraform: Any, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    clear = "\n    def clear(self, live):\n        live.ui.say(f\"cleared beside {live.outputs['topic']}\")\n"
    info = plant("71_clearing", CODE.format(ok=True, run="pass") + clear)
    terraform.does(**planned(("delete", BUCKET)))
    deploy.destroy(info, "local", Ui(), yes=False)
    assert "cleared beside arn:topic" in capsys.readouterr().out
    assert terraform.commands == ["init", "plan", "state", "apply"]
    terraform.does(plan={}, state={"text": ""})
    deploy.destroy(info, "local", Ui(), yes=False)
    assert "cleared" not in capsys.readouterr().out, "what is not deployed keeps nothing"


def test_a_half_made_stack_that_cannot_clear_is_destroyed_all_the_same(
    plant: Callable[..., StackInfo], terraform: Any, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    clear = "\n    def clear(self, live):\n        live.ui.say(live.outputs['never made'])\n"
    info = plant("72_clearing", CODE.format(ok=True, run="pass") + clear)
    terraform.does(**planned(("delete", BUCKET)))
    deploy.destroy(info, "local", Ui(), yes=False)
    assert terraform.commands == ["init", "plan", "state", "apply"]
    assert "what 72_clearing keeps beside its resources may be left" in capsys.readouterr().err


def test_a_site_is_written_where_the_command_says(
    plant: Callable[..., StackInfo], terraform: Any, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    site = "\n    def document(self, live, file):\n        file.write_text(live.outputs['topic'])\n"
    terraform.does(state={"text": deployed(BUCKET)})
    file = deploy.document(plant("71_documented", CODE.format(ok=True, run="pass") + site), "local", Ui())
    assert file.read_text() == "arn:topic" and f"written: {file}" in capsys.readouterr().out


def test_a_stack_without_a_site_says_so(info: StackInfo, terraform: Any) -> None:
    terraform.does(state={"text": deployed(BUCKET)})
    with pytest.raises(OrreryError, match="70_quasar has no documentation site"):
        deploy.document(info, "local", Ui())


def test_a_stacks_crontab_runs_from_deployment_to_destruction(
    plant: Callable[..., StackInfo], terraform: Any, cloud: FakeCloud
) -> None:
    info = plant("70_quasar", CODE.format(ok=True, run="pass") + CRONTAB)
    terraform.does(**planned(("create", BUCKET)))
    deploy.deploy(info, "local", Ui(), yes=False)
    assert cloud.asked[-1] == ("crontab", "70-quasar", info.path / "crontab", {"TOPIC": "arn:topic"})
    terraform.does(**planned(("delete", BUCKET)))
    deploy.destroy(info, "local", Ui(), yes=False)
    assert ("no crontab", "70-quasar") in cloud.asked


def test_what_a_destruction_leaves_is_an_error(info: StackInfo, terraform: Any, cloud: FakeCloud) -> None:
    terraform.does(**planned())
    cloud.left = [f"sqs queue orrery-70-quasar-{n}" for n in range(7)]
    with pytest.raises(OrreryError) as caught:
        deploy.destroy(info, "local", Ui(), yes=True)
    assert caught.value.what.startswith("7 resources of 70_quasar are left in the local cloud: sqs queue")
    assert "orrery-70-quasar-6" in caught.value.details


def test_running_what_is_not_deployed_says_how_to_deploy_it(info: StackInfo, terraform: Any) -> None:
    terraform.does(output={"text": "{}\n"})
    with pytest.raises(OrreryError) as caught:
        deploy.run(info, "local", Ui(), None)
    assert caught.value.what == "70_quasar is not deployed on local"
    assert caught.value.next_step == "make deploy STACK=70_quasar"


def test_running_uses_the_deployments_outputs(
    info: StackInfo, terraform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terraform.does(**planned())
    deploy.run(info, "local", Ui(), None)
    assert "ran on arn:topic" in capsys.readouterr().out


def test_a_run_that_breaks_names_its_line(plant: Callable[..., StackInfo], cloud: FakeCloud, terraform: Any) -> None:
    info = plant("70_quasar", CODE.format(ok=True, run="{}['gone']"))
    terraform.does(**planned())
    with pytest.raises(OrreryError, match=r"stack\.py, line 16: KeyError"):
        deploy.run(info, "local", Ui(), None)


def test_a_data_file_that_is_not_there_stops_before_anything_starts(info: StackInfo, cloud: FakeCloud) -> None:
    with pytest.raises(OrreryError) as caught:
        deploy.run(info, "local", Ui(), Path("/nowhere/launches.csv"))
    assert caught.value.what == "there is no file /nowhere/launches.csv"
    assert cloud.asked == []


# ---------------------------------------------------------------------------------------- losing data


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("action", ["replace", "delete"])
def test_without_a_terminal_nothing_that_holds_data_is_lost(
    info: StackInfo, terraform: Any, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    terraform.does(**planned((action, BUCKET), ("update", ROLE)))
    with pytest.raises(OrreryError) as caught:
        deploy.deploy(info, "local", Ui(), yes=False)
    assert caught.value.what == f"the plan destroys or replaces data, in 1 resource: {BUCKET['addr']}"
    assert "YES=1" in caught.value.next_step
    assert "apply" not in terraform.commands


def test_yes_goes_on(info: StackInfo, terraform: Any) -> None:
    terraform.does(**planned(("replace", BUCKET)))
    deploy.deploy(info, "local", Ui(), yes=True)
    assert "apply" in terraform.commands


@pytest.mark.parametrize(("typed", "applied"), [("yes\n", True), ("y\n", False), ("\n", False), ("no\n", False)])
def test_on_a_terminal_the_user_is_asked(
    info: StackInfo, terraform: Any, monkeypatch: pytest.MonkeyPatch, typed: str, applied: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    terraform.does(**planned(("delete", BUCKET)))
    if applied:
        deploy.deploy(info, "local", Ui(), yes=False)
    else:
        with pytest.raises(OrreryError, match="nothing was changed"):
            deploy.deploy(info, "local", Ui(), yes=False)
    assert ("apply" in terraform.commands) is applied


def test_what_holds_no_data_is_replaced_without_asking(info: StackInfo, terraform: Any) -> None:
    terraform.does(**planned(("replace", ROLE), ("delete", ROLE)))
    deploy.deploy(info, "local", Ui(), yes=False)
    assert "apply" in terraform.commands


@pytest.mark.parametrize("target", ["local", "aws"])
def test_what_an_interrupted_run_left_half_made_is_no_data_on_the_local_cloud(target: str) -> None:
    half_made = Change(BUCKET["addr"], BUCKET["resource_type"], "replace", "tainted")
    plan = Plan(Path("saved.tfplan"), (half_made,))
    if target == "local":
        deploy._confirm(plan, False, targets.local({}, {}))
        with pytest.raises(OrreryError):
            deploy._confirm(
                Plan(plan.path, (replace(half_made, reason="cannot_update"),)), False, targets.local({}, {})
            )
    else:
        with pytest.raises(OrreryError, match="replaces data"):
            deploy._confirm(plan, False, targets.Target("aws", "210987654321"))


def test_a_summary_shows_what_is_not_just_created(
    info: StackInfo, terraform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [("create", ROLE)] + [
        ("replace", {**BUCKET, "addr": f"module.b{n}.aws_s3_bucket.this"}) for n in range(45)
    ]
    terraform.does(**planned(*changes))
    deploy.deploy(info, "local", Ui(), yes=True)
    out = capsys.readouterr().out
    assert "1 to create, 45 to replace." in out
    assert out.count("±") == 40 and "(holds data)" in out and "… and 5 more" in out
    assert ROLE["addr"] not in out


# ------------------------------------------------------------------------------------ stand-ins, ledger


def test_the_closing_line_counts_what_ran_what_was_taken_and_what_stood_in(
    info: StackInfo, terraform: Any, cloud: FakeCloud, tmp_path: Path
) -> None:
    lake, queue = (
        ("module.lake.aws_s3_bucket.this", "aws_s3_bucket"),
        ("module.database_copy.aws_sqs_queue.q", "aws_sqs_queue"),
    )
    key, zone = (
        ("module.lake.aws_kms_key.this", "aws_kms_key"),
        ("module.lake.aws_route53_zone.this", "aws_route53_zone"),
    )
    secret = ("module.database.aws_secretsmanager_secret.this", "aws_secretsmanager_secret")
    with deploy.session(info, "local", Ui()) as at:
        at.stack.stand_ins["database"] = "postgres"
        at.stack.skipped += ["logs of zone", "warehouse (snowflake)"]
        assert deploy._ledger_line(at, State({}, (lake, key, zone, secret, queue))) == (
            "Local cloud: 3 resources executed, 1 accepted (control plane only), "
            "1 module stood in for (postgres), 2 cloud-only (logs of zone, warehouse (snowflake))."
        )


def test_a_connector_is_told_of_its_worker_and_goes_before_its_database(
    plant: Callable[..., StackInfo], module_folder: Callable[..., Path], cloud: FakeCloud, terraform: Any
) -> None:
    name = 'variable "name" {\n  type = string\n}\n'
    module_folder("well", name, "", 'local = "stand-in"\nservice = "mysql"')
    module_folder("pipe", name, "", 'local = "stand-in"\nservice = "debezium"')
    code = (
        "from infra.stack import Stack\n\n\nclass A(Stack):\n    def build(self):\n"
        "        self.module('shop', 'well', name='n')\n        self.module('capture', 'pipe', name='n')\n"
    )
    info = plant("70_quasar", code)
    with deploy.session(info, "local", Ui()) as at:
        at.terraform.plan()
    seen = terraform.log[-2]["environment"]
    assert json.loads(seen["TF_VAR_capture_standin"]) == {"url": "http://debezium", "secrets": "/secrets"}
    assert "TF_VAR_capture_standin_password" not in seen
    assert json.loads(seen["TF_VAR_shop_standin"])["port"] == 3306
    assert seen["TF_VAR_shop_standin_password"] == "s3cret-password"
    deploy.destroy(info, "local", Ui(), yes=False)
    assert [each for each in cloud.asked if each[0].startswith("drop")] == [
        ("drop connectors", "orrery-70-quasar-"),
        ("drop mysql", "70_quasar_shop"),
    ]


def test_each_stand_in_gets_its_own_database_and_its_password_stays_out_of_files(
    plant: Callable[..., StackInfo],
    module_folder: Callable[..., Path],
    cloud: FakeCloud,
    terraform: Any,
    tmp_path: Path,
) -> None:
    module_folder("wall", 'variable "name" {\n  type = string\n}\n', "", 'local = "stand-in"\nservice = "postgres"')
    code = (
        "from infra.stack import Stack\n\n\nclass A(Stack):\n    def build(self):\n"
        "        self.module('north', 'wall', name='n')\n        self.module('south', 'wall', name='s')\n"
    )
    info = plant("70_quasar", code)
    with deploy.session(info, "local", Ui()) as at:
        at.terraform.plan()
    started, *provided = [each for each in cloud.asked if each[0] in ("provision", "up") and each != ("up", ["aws"])]
    assert started == ("up", ["postgres"]), "the server is there before its databases are asked for"
    assert provided == [("provision", "70_quasar_north"), ("provision", "70_quasar_south")]
    seen = terraform.log[-2]["environment"]
    assert seen["TF_VAR_north_standin_password"] == "s3cret-password"
    north = json.loads(seen["TF_VAR_north_standin"])
    assert north["database"] == "70_quasar_north"
    cloud.password = "another-password"
    with deploy.session(info, "local", Ui()) as at:
        at.terraform.plan()
    now = json.loads(terraform.log[-2]["environment"]["TF_VAR_north_standin"])
    assert {**now, "secret_version": 0} == {**north, "secret_version": 0}
    assert now["secret_version"] != north["secret_version"], "Terraform writes the secret again"
    for file in (tmp_path / "state").rglob("*"):
        assert not file.is_file() or b"s3cret-password" not in file.read_bytes()
    deploy.destroy(info, "local", Ui(), yes=False)
    assert [each for each in cloud.asked if each[0] == "drop"] == [
        ("drop", "70_quasar_north"),
        ("drop", "70_quasar_south"),
    ]


def test_a_stand_in_for_kafka_is_told_where_it_is_and_loses_its_topics_in_the_end(
    plant: Callable[..., StackInfo], module_folder: Callable[..., Path], cloud: FakeCloud, terraform: Any
) -> None:
    module_folder("wall", 'variable "name" {\n  type = string\n}\n', "", 'local = "stand-in"\nservice = "kafka"')
    code = (
        "from infra.stack import Stack\n\n\nclass A(Stack):\n    def build(self):\n"
        "        self.module('north', 'wall', name='n')\n        self.module('south', 'wall', name='s')\n"
    )
    info = plant("70_quasar", code)
    with deploy.session(info, "local", Ui()) as at:
        at.terraform.plan()
    seen = terraform.log[-2]["environment"]
    assert json.loads(seen["TF_VAR_south_standin"]) == {"bootstrap_servers": "127.0.0.1:9092", "brokers": 1}
    assert "TF_VAR_south_standin_password" not in seen
    deploy.destroy(info, "local", Ui(), yes=False)
    assert [each for each in cloud.asked if each[0].startswith("drop")] == [("drop topics", "orrery-70-quasar-")]


def test_topics_in_a_named_cluster_go_only_when_the_stack_was_deployed_there(
    plant: Callable[..., StackInfo],
    module_folder: Callable[..., Path],
    cloud: FakeCloud,
    terraform: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module_folder("wall", 'variable "name" {\n  type = string\n}\n', "", 'local = "stand-in"\nservice = "kafka"')
    info = plant(
        "70_quasar",
        "from infra.stack import Stack\n\n\nclass A(Stack):\n    def build(self):\n"
        "        self.module('north', 'wall', name='n')\n\n    def smoke(self, live):\n        return []\n",
    )

    def destroyed(bootstrap: str) -> tuple[int, list[str]]:
        cloud.bootstrap, before = bootstrap, len(cloud.asked)
        capsys.readouterr()
        deploy.destroy(info, "local", Ui(), yes=False)
        told = [line.strip() for line in "".join(capsys.readouterr()).splitlines() if " stay in " in line]
        return cloud.asked[before:].count(("drop topics", "orrery-70-quasar-")), told

    terraform.does(**planned(("create", BUCKET)))
    cloud.bootstrap = "mine:9092"
    deploy.deploy(info, "local", Ui(), yes=True)
    stays = "topics and groups orrery-70-quasar-* stay in Kafka at"
    again = f"{stays} mine:9092: the same command with KAFKA_BOOTSTRAP=mine:9092 deletes them"
    assert destroyed("shared:9092") == (0, [f"{stays} shared:9092: 70_quasar was not deployed there", again])
    assert destroyed("") == (1, [again]), "the local broker is ours"
    assert destroyed("mine:9092") == (1, [])
    assert destroyed("mine:9092")[0] == 0


# ------------------------------------------------------------------------------------- one run at a time

HOLD = """
import sys, time
from pathlib import Path
from infra import deploy
with deploy.lock(Path(sys.argv[1]), "70_quasar"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLD, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_told_who_works_and_to_try_later(info: StackInfo, terraform: Any, cloud: FakeCloud) -> None:
    folder = deploy.STATE / "stacks" / info.slug / "local"
    first = holder(folder)
    try:
        with pytest.raises(OrreryError) as caught:
            deploy.deploy(info, "local", Ui(), yes=True)
        assert caught.value.what == f"another run works on 70_quasar right now (process {first.pid})"
        assert caught.value.code == 75 and "wait" in caught.value.next_step
        assert terraform.commands == [] and cloud.asked == []
    finally:
        first.kill()
        first.communicate()
    terraform.does(**planned())
    deploy.deploy(info, "local", Ui(), yes=True)  # the lock of a killed run holds nobody back


def test_a_run_that_fails_lets_go_of_the_lock(info: StackInfo, terraform: Any) -> None:
    terraform.does(plan={"code": 1, "text": "bad\n"})
    with pytest.raises(OrreryError):
        deploy.deploy(info, "local", Ui(), yes=True)
    with open(deploy.STATE / "stacks" / info.slug / "local" / "lock") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_targets_do_not_hold_each_other_back(info: StackInfo, terraform: Any) -> None:
    first = holder(deploy.STATE / "stacks" / info.slug / "local")
    try:
        with deploy.session(info, "offline", Ui()) as at:
            assert at.cloud is None and at.target.name == "offline"
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()


# -------------------------------------------------------------------------------------------- starting over


@pytest.fixture
def states(cloud: FakeCloud) -> list[Path]:
    """Two stacks on the local cloud, and one of them on AWS."""
    made = [deploy.STATE / "stacks" / name for name in ("70-quasar/local", "71-pulsar/local", "70-quasar/aws")]
    for folder in made:
        folder.mkdir(parents=True)
        (folder / "terraform.tfstate").write_text("{}")
    return made


def test_a_reset_empties_the_local_cloud_and_touches_no_other(cloud: FakeCloud, states: list[Path]) -> None:
    deploy.reset(Ui(), yes=True)
    assert cloud.asked == [("erase",)]
    assert [folder.exists() for folder in states] == [False, False, True]


def test_a_reset_asks_first(cloud: FakeCloud, states: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(OrreryError, match="the local state of 2 stacks") as caught:
        deploy.reset(Ui(), yes=False)
    assert "YES=1" in caught.value.next_step
    assert cloud.asked == [] and all(folder.exists() for folder in states)


def test_a_reset_waits_for_nobody_and_takes_nothing_from_a_run(cloud: FakeCloud, states: list[Path]) -> None:
    first = holder(states[1])
    try:
        with pytest.raises(OrreryError) as caught:
            deploy.reset(Ui(), yes=True)
        assert caught.value.code == 75
        assert cloud.asked == [] and all(folder.exists() for folder in states)
    finally:
        first.kill()
        first.communicate()


# ------------------------------------------------------------------------------------ a disk that refuses


def test_a_state_folder_that_cannot_be_made_is_one_line(
    info: StackInfo, terraform: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(deploy, "STATE", tmp_path / "file")
    with pytest.raises(OrreryError) as caught:
        deploy.deploy(info, "local", Ui(), yes=True)
    assert caught.value.what.startswith(f"cannot write to {tmp_path}/file/stacks/70-quasar/local")
    assert "nothing was changed" in caught.value.next_step


def test_a_full_disk_is_one_line_wherever_it_shows(
    info: StackInfo, terraform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deploy.Terraform, "write", full)
    with pytest.raises(OrreryError, match="cannot write to .*: No space left on device"):
        deploy.deploy(info, "local", Ui(), yes=True)


def losing(*addresses: str) -> Plan:
    changes = [Change(address, "aws_s3_bucket", "delete") for address in addresses]
    return Plan(Path("saved.tfplan"), (*changes, Change("module.a.aws_iam_role.this", "aws_iam_role", "delete")))


def test_on_aws_each_loss_of_data_has_to_be_named() -> None:
    plan = losing("module.a.aws_s3_bucket.this", "module.b.aws_s3_bucket.this")
    with pytest.raises(OrreryError, match="in 1 resource: module.b") as caught:
        deploy._check_allowed(plan, ["module.a.aws_s3_bucket.this"])
    assert "--allow-data-loss module.b.aws_s3_bucket.this" in caught.value.next_step
    deploy._check_allowed(plan, ["module.a.aws_s3_bucket.this", "module.b.aws_s3_bucket.this"])


def test_a_name_that_loses_nothing_is_a_mistake() -> None:
    with pytest.raises(OrreryError, match="loses no data at module.x"):
        deploy._check_allowed(losing(), ["module.x.aws_s3_bucket.this"])


def test_a_plan_that_loses_nothing_needs_no_word() -> None:
    deploy._check_allowed(losing(), [])


def test_saying_yes_is_not_enough_on_aws(monkeypatch: pytest.MonkeyPatch, info: StackInfo) -> None:
    applied: list[Plan] = []
    plan = losing("module.a.aws_s3_bucket.this")
    terraform = SimpleNamespace(plan=lambda: plan, apply=applied.append)
    at = SimpleNamespace(target=targets.Target("aws", "123456789012"), terraform=terraform)
    monkeypatch.setattr(deploy, "session", lambda *_: nullcontext(at))
    with pytest.raises(OrreryError, match="destroys or replaces data"):
        deploy.deploy(info, "aws", Ui(), yes=True)
    assert applied == []
