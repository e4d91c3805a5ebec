"""Drift, read from plans as Terraform writes them: what is told, what is folded, what is hidden, what to do about it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra import cli, deploy, drift, targets, trail
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.output import Ui

CODE = """
from infra.stack import Stack


class Quasar(Stack):
    def build(self):
        topic = self.module("topic", "topic", name=self.physical("news"), kms_key_arn="arn:aws:kms:x")
        self.output("topic", topic.arn, "Where news go.")
"""
BUCKET, POLICY, ROLE = "module.a.aws_s3_bucket.this", "module.a.aws_s3_bucket_policy.this", "module.a.aws_iam_role.this"
FUNCTION = "module.a.aws_lambda_function.this"


def kind(address: str) -> str:
    return address.split("[")[0].split(".")[-2]


def plan(
    *drifts: tuple[str, Any, Any],
    present: dict[str, Any] | None = None,
    planned: dict[str, Any] | None = None,
    sensitive: Any = False,
) -> dict[str, Any]:
    """Return a plan as `terraform show -json` writes it.

    Parameters
    ----------
    *drifts : tuple
        Address, values before, values after.
    present : dict
        Address to values, of what has not drifted.
    planned : dict
        Address to the values that a deployment sets; None where it destroys. All else it leaves.
    sensitive : Any
        What of the drifted resources is.
    """
    values = {**(present or {}), **{address: after for address, _, after in drifts if after is not None}}
    resources = [
        {"address": address, "mode": "managed", "type": kind(address), "values": each}
        for address, each in values.items()
    ]
    changes = []
    for address, after in (planned or {}).items():
        actions = ["delete"] if after is None else ["update"] if address in values else ["create"]
        changes.append({"address": address, "change": {"actions": actions, "after": after, "after_unknown": {}}})
    changes.append({"address": "module.z.aws_sqs_queue.still", "change": {"actions": ["no-op"], "after": {}}})
    return {
        "prior_state": {"values": {"root_module": {"child_modules": [{"resources": resources}]}}},
        "resource_drift": [
            {
                "address": address,
                "type": kind(address),
                "change": {
                    "before": before,
                    "after": after,
                    "before_sensitive": sensitive,
                    "after_sensitive": sensitive,
                },
            }
            for address, before, after in drifts
        ],
        "resource_changes": changes,
        "configuration": {"root_module": {"module_calls": {"a": {"source": "../../../../modules/function"}}}},
    }


def told(report: drift.Report) -> list[tuple[str, Any, Any, str]]:
    return [(one.attribute, one.before, one.after, one.deploy) for each in report.resources for one in each.differences]


def folded(report: drift.Report) -> dict[str, str]:
    return {attribute: reason for _, attribute, reason in report.folded}


# -------------------------------------------------------------------------------------------- what is told


def test_a_changed_attribute_is_told_with_what_a_deployment_does_about_it() -> None:
    before, after = {"id": "a", "threshold": 1, "period": 60, "unit": "x"}, {"id": "a", "threshold": 9, "period": 5}
    address = "module.a.aws_cloudwatch_metric_alarm.this"
    report = drift.read(plan((address, before, after), planned={address: {"threshold": 1, "period": 10}}))
    assert told(report) == [
        ("period", 60, 5, "sets"),  # the configuration says 10 by now
        ("threshold", 1, 9, "reverts"),
        ("unit", "x", None, "leaves"),
    ]
    assert report.other_changes == 0


def test_what_no_configuration_sets_is_left_by_a_deployment() -> None:
    report = drift.read(plan((ROLE, {"id": "r", "path": "/"}, {"id": "r", "path": "/x/"})))
    assert told(report) == [("path", "/", "/x/", "leaves")]


def test_a_deleted_resource_is_told_as_such() -> None:
    report = drift.read(plan((POLICY, {"bucket": "b", "policy": "{}"}, None), planned={POLICY: {"bucket": "b"}}))
    (found,) = report.resources
    assert (found.address, found.name, found.deleted, found.planned) == (POLICY, "b", True, "create")


def test_policies_are_compared_statement_by_statement_in_any_order() -> None:
    allow, deny = {"Sid": "Read", "Effect": "Allow", "Action": ["a", "b"]}, {"Sid": "Tls", "Effect": "Deny"}
    wider = allow | {"Action": ["c", "b", "a"]}
    before, after = ({"Statement": each} for each in ([allow, deny], [deny, wider]))
    report = drift.read(
        plan((POLICY, {"bucket": "b", "policy": json.dumps(before)}, {"bucket": "b", "policy": json.dumps(after)}))
    )
    assert told(report) == [('policy.Statement["Read"].Action[2]', None, "c", "leaves")]


@pytest.mark.parametrize(("before", "after", "where"), [
    ([{"id": "x", "days": 1}, {"id": "y", "days": 1}], [{"id": "y", "days": 2}, {"id": "x", "days": 3}],
     [('["x"].days', 1, 3), ('["y"].days', 1, 2)]),
    ([{"days": 1}], [{"days": 2}], [("[0].days", 1, 2)]),
    (["a", "b"], ["b"], [("[0]", "a", None)]),
    (["a", "b"], ["b", "a"], [("", ["a", "b"], ["b", "a"])]),
    ({"a": 1}, {"a": 1, "b": {"c": 0}}, [(".b", None, {"c": 0})]),
    ("on", "off", [("", "on", "off")]),
    (0, False, [("", 0, False)]),
])  # fmt: skip
def test_differences_are_as_small_as_can_be(before: Any, after: Any, where: list[Any]) -> None:
    assert list(drift.differences(before, after)) == where


def test_a_value_of_a_policy_that_is_false_is_not_the_same_as_none() -> None:
    before, after = json.dumps({"Condition": {"Bool": {"x": False}}}), json.dumps({"Condition": {"Bool": {}}})
    report = drift.read(plan((POLICY, {"bucket": "b", "policy": before}, {"bucket": "b", "policy": after})))
    assert len(told(report)) == 1


# ------------------------------------------------------------------------------------------ what is folded


@pytest.mark.parametrize(("before", "after"), [(None, {}), (None, []), (None, ""), (None, False), ([], None)])
def test_nothing_said_and_empty_are_the_same(before: Any, after: Any) -> None:
    report = drift.read(plan((BUCKET, {"id": "b", "x": before}, {"id": "b", "x": after})))
    assert report.resources == () and folded(report) == {"x": "nothing said and empty are the same"}


@pytest.mark.parametrize(("address", "attribute"), [
    (f"module.a.{kind if kind != '*' else 'aws_lambda_function'}.this", attribute) for kind, attribute in drift.FOLDED
])  # fmt: skip
def test_what_changes_by_itself_is_no_drift(address: str, attribute: str) -> None:
    report = drift.read(plan((address, {"id": "b", attribute: "1"}, {"id": "b", attribute: "2"})))
    assert report.resources == () and folded(report)[attribute]


def test_what_another_resource_tells_is_told_once() -> None:
    both = [
        (BUCKET, {"id": "b", "policy": ""}, {"id": "b", "policy": '{"a": 2}'}),
        (POLICY, {"bucket": "b", "policy": '{"a": 1}'}, {"bucket": "b", "policy": '{"a": 2}'}),
    ]
    report = drift.read(plan(*both))
    assert told(report) == [("policy.a", 1, 2, "leaves")]
    assert folded(report) == {"policy": "told by aws_s3_bucket_policy"}


def test_the_same_is_told_where_no_other_resource_does() -> None:
    alone = plan(
        (BUCKET, {"id": "b", "policy": ""}, {"id": "b", "policy": "{}"}),
        present={POLICY: {"bucket": "another", "policy": "{}"}},
    )
    assert told(drift.read(alone)) == [("policy", "", "{}", "leaves")]


def test_a_policy_that_was_deleted_is_told_once() -> None:
    report = drift.read(
        plan(
            (BUCKET, {"id": "b", "policy": "{}"}, {"id": "b", "policy": ""}),
            (POLICY, {"bucket": "b", "policy": "{}"}, None),
        )
    )
    assert [(each.address, each.deleted) for each in report.resources] == [(POLICY, True)]


# ----------------------------------------------------------------------------- what Terraform doesn't see


def test_code_that_is_not_the_packages_is_told_although_the_state_has_it_already() -> None:
    values = {"id": "f", "source_code_hash": "aaaa", "code_sha256": "bbbb"}
    report = drift.read(plan(present={FUNCTION: values}))
    assert told(report) == [("code_sha256", "aaaa", "bbbb", "leaves")]
    uploads = drift.read(plan(present={FUNCTION: values}, planned={FUNCTION: values | {"source_code_hash": "cccc"}}))
    assert told(uploads) == [("code_sha256", "aaaa", "bbbb", "sets")]
    assert drift.read(plan(present={FUNCTION: values | {"code_sha256": "aaaa"}})).resources == ()


def test_changed_code_is_told_once_and_also_where_no_hash_is_set() -> None:
    before, after = ({"id": "f", "code_sha256": each} for each in ("aaaa", "bbbb"))
    assert told(drift.read(plan((FUNCTION, before, after)))) == [("code_sha256", "aaaa", "bbbb", "leaves")]
    packed = {"source_code_hash": "aaaa"}
    report = drift.read(plan((FUNCTION, before | packed, after | packed)))
    assert told(report) == [("code_sha256", "aaaa", "bbbb", "leaves")]


def test_a_policy_of_a_role_that_no_resource_explains_is_told() -> None:
    own = {"module.a.aws_iam_role_policy.this": {"role": "r", "name": "grants", "policy": "{}"}}
    listed = [{"name": "grants", "policy": "{}"}, {"name": "backdoor", "policy": "{}"}]
    report = drift.read(
        plan((ROLE, {"id": "r", "inline_policy": []}, {"id": "r", "inline_policy": listed}), present=own)
    )
    assert told(report) == [('inline_policy["backdoor"]', None, listed[1], "leaves")]
    later = drift.read(plan(present={**own, ROLE: {"id": "r", "inline_policy": listed}}))
    assert told(later) == told(report), "also when an apply has written it into the state"
    assert drift.read(plan(present={**own, ROLE: {"id": "r", "inline_policy": listed[:1]}})).resources == ()


def test_a_rule_of_a_security_group_that_no_resource_explains_is_told() -> None:
    group = "module.a.aws_security_group.this"
    rule = {"ip_protocol": "tcp", "from_port": 5432, "to_port": 5432, "security_group_id": "sg-1"}
    own = {
        "module.a.aws_vpc_security_group_ingress_rule.a": rule | {"cidr_ipv4": "10.0.0.0/16"},
        "module.a.aws_vpc_security_group_ingress_rule.b": rule | {"referenced_security_group_id": "sg-1"},
        "module.a.aws_vpc_security_group_ingress_rule.c": rule | {"referenced_security_group_id": "1234/sg-2"},
    }
    entry = {
        "protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_blocks": ["10.0.0.0/16"], "ipv6_cidr_blocks": [],
        "prefix_list_ids": [], "security_groups": ["sg-2"], "self": True,
    }  # fmt: skip
    assert drift.read(plan(present={**own, group: {"id": "sg-1", "ingress": [entry]}})).resources == ()
    opened = entry | {"cidr_blocks": ["10.0.0.0/16", "0.0.0.0/0"]}
    report = drift.read(plan(present={**own, group: {"id": "sg-1", "ingress": [opened]}}))
    assert told(report) == [('ingress["tcp 5432-5432 0.0.0.0/0"]', None, opened, "leaves")]


# ----------------------------------------------------------------------------------------- what is hidden


@pytest.fixture
def info(plant: Callable[..., StackInfo]) -> StackInfo:
    return plant("70_quasar", CODE)


@pytest.mark.parametrize(("attribute", "before", "after", "sensitive"), [
    ("password", "hunter2", "hunter3", {"password": True}),
    ("environment", [{"variables": {"X": "hunter2"}}], [{"variables": {"X": "hunter3"}}],
     {"environment": [{"variables": True}]}),
    ("environment", [{"variables": {"API_TOKEN": "hunter2"}}], [{"variables": {"API_TOKEN": "hunter3"}}], False),
    ("settings", [{"DB_PASSWORD": "hunter2"}], [], False),
])  # fmt: skip
def test_secrets_are_compared_and_never_shown(
    info: StackInfo, attribute: str, before: Any, after: Any, sensitive: Any
) -> None:
    report = drift.read(
        plan((FUNCTION, {"id": "f", attribute: before}, {"id": "f", attribute: after}), sensitive=sensitive)
    )
    text = "\n".join(drift.as_text(report, info, "local")) + json.dumps(drift.as_dict(report, info, "local"))
    assert len(told(report)) == 1 and "hunter" not in text and "(sensitive)" in text
    assert "hunter" not in repr(report.resources[0].differences)


def test_an_arn_of_a_secret_is_no_secret(info: StackInfo) -> None:
    before, after = ({"id": "f", "DB_SECRET_ARN": f"arn:aws:{each}"} for each in "ab")
    text = "\n".join(drift.as_text(drift.read(plan((FUNCTION, before, after))), info, "local"))
    assert '  DB_SECRET_ARN: "arn:aws:a" → "arn:aws:b"' in text


# ----------------------------------------------------------------------------------------- what to do then


def test_the_report_says_what_was_changed_and_how_to_revert_or_adopt_it(info: StackInfo) -> None:
    read = drift.read(
        plan(
            (FUNCTION, {"id": "f", "timeout": 3}, {"id": "f", "timeout": 900, "last_modified": "now"}),
            planned={FUNCTION: {"timeout": 3}, "module.b.aws_sqs_queue.this": {}},
        )
    )
    assert list(drift.as_text(read, info, "local")) == [
        "70_quasar on local: 1 resource changed behind Terraform's back.",
        "By whom is unknown: the local cloud keeps no CloudTrail history.",
        "",
        "module.a.aws_lambda_function.this  (f)",
        "  timeout: 3 → 900",
        "  revert: make deploy STACK=70_quasar",
        "  adopt:  write it into 'a' in stacks/70_quasar/stack.py, or modules/function",
        "",
        "Planned besides, and no drift: 1 change (./orrery plan 70_quasar --target local).",
        "Folded, as no drift: 1 attribute that Terraform read anew; --verbose gives the reasons.",
    ]


def test_reasons_are_listed_where_they_are_asked_for(info: StackInfo) -> None:
    read = drift.read(plan((FUNCTION, {"id": "f"}, {"id": "f", "last_modified": "now"})))
    reason = drift.FOLDED["*", "last_modified"]
    assert list(drift.as_text(read, info, "local", verbose=True)) == [
        "70_quasar on local: no drift.",
        f"  folded: {FUNCTION} last_modified: {reason}",
    ]


def advice(read: drift.Report, info: StackInfo, target: str = "local") -> tuple[str, str]:
    (each,) = read.resources
    return drift.revert(each, info, target), drift.adopt(each, info, target)


def test_what_only_the_state_knows_can_be_adopted_and_not_reverted(info: StackInfo) -> None:
    read = drift.read(plan((ROLE, {"id": "r", "path": "/"}, {"id": "r", "path": "/x/"})))
    back, keep = advice(read, info, "aws")
    assert back == "undo it where it was made: no deployment touches it"
    assert keep == "./orrery drift 70_quasar --target aws --adopt"


def test_what_was_deleted_is_taken_out_of_the_configuration_or_made_anew(info: StackInfo) -> None:
    read = drift.read(plan((POLICY, {"bucket": "b"}, None), planned={POLICY: {"bucket": "b"}}))
    assert advice(read, info, "aws") == (
        "make deploy STACK=70_quasar TARGET=aws",
        "take it out of 'a' in stacks/70_quasar/stack.py, or modules/function",
    )


def test_reverting_says_so_where_it_loses_data(info: StackInfo) -> None:
    made = plan((BUCKET, {"id": "b", "x": 1}, {"id": "b", "x": 2}), planned={BUCKET: {"x": 1}})
    made["resource_changes"][0]["change"]["actions"] = ["delete", "create"]
    assert "replaces the resource, AND THE DATA THAT IT HOLDS" in advice(drift.read(made), info)[0]


def test_foreign_code_is_reverted_in_two_steps(info: StackInfo) -> None:
    values = {"id": "f", "source_code_hash": "aaaa", "code_sha256": "bbbb"}
    back, keep = advice(drift.read(plan(present={FUNCTION: values})), info)
    assert back.startswith("./orrery drift 70_quasar --adopt, then make deploy STACK=70_quasar")
    assert keep.startswith("write it into 'a'")


def test_the_json_form_is_what_programs_were_promised(info: StackInfo) -> None:
    read = drift.read(plan((POLICY, {"bucket": "b"}, None), (FUNCTION, {"id": "f", "x": 1}, {"id": "f", "x": 2})))
    data = json.loads(json.dumps(drift.as_dict(read, info, "local")))
    assert set(data) == {"version", "stack", "target", "resources", "folded", "other_changes"}
    assert (data["version"], data["stack"], data["target"]) == (1, "70_quasar", "local")
    changed, gone = data["resources"]
    assert changed["attributes"] == [{"attribute": "x", "before": 1, "after": 2, "deploy": "leaves"}]
    assert (gone["change"], gone["attributes"], gone["last_write"]) == ("deleted", [], None)


# ----------------------------------------------------------------------------------------------- one run


@pytest.fixture
def run(
    info: StackInfo, terraform: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., drift.Report]:
    """Look for drift with a terraform that finds what it is told, in a local cloud that is up at once."""
    cloud = SimpleNamespace(
        up=lambda names, on_progress: {"aws": SimpleNamespace(region_urls={})},
        aws_environment=lambda: {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    )
    monkeypatch.setattr(deploy, "cloud", lambda: cloud)
    monkeypatch.setattr(deploy, "STATE", tmp_path / "state")

    def look(found: dict[str, Any], state: dict[str, Any] | None = None, **options: bool) -> drift.Report:
        function = {"source_code_hash": "aaaa", "code_sha256": "bbbb"}
        block = {"mode": "managed", "module": "module.a", "type": "aws_lambda_function", "name": "this"}
        there = {"serial": 7, "resources": [{**block, "instances": [{"attributes": function}]}]}
        text = json.dumps(there if state is None else state)
        terraform.does(show={"text": json.dumps(found) + "\n"}, state={"text": text + "\n"})
        return drift.drift(info, "local", Ui(), **options)

    return look


CHANGED = plan((FUNCTION, {"id": "f", "timeout": 3}, {"id": "f", "timeout": 900}))


def test_looking_changes_nothing(run: Callable[..., drift.Report], terraform: Any, tmp_path: Path) -> None:
    assert len(run(CHANGED).resources) == 1
    assert terraform.commands == ["init", "state", "plan", "show"]
    assert not list((tmp_path / "state").rglob("*.tfplan"))


def test_json_is_all_that_is_printed(run: Callable[..., drift.Report], capsys: pytest.CaptureFixture[str]) -> None:
    run(CHANGED, as_json=True)
    assert json.loads(capsys.readouterr().out)["resources"][0]["address"] == FUNCTION


def test_adopting_writes_the_state_and_nothing_else(run: Callable[..., drift.Report], terraform: Any) -> None:
    run(CHANGED, adopt=True)
    assert terraform.commands == ["init", "state", "plan", "show", "plan", "show", "apply"]
    (only,) = [call for call in terraform.calls if "-refresh-only" in call]
    assert only[0] == "plan" and "-out=adopt.tfplan" in only
    assert terraform.calls[-1][-1] == "adopt.tfplan"


def test_without_drift_there_is_nothing_to_adopt(run: Callable[..., drift.Report], terraform: Any) -> None:
    run(plan(), adopt=True)
    assert "apply" not in terraform.commands


def test_adopting_tells_the_state_which_code_runs(
    run: Callable[..., drift.Report], terraform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits: list[Any] = []
    monkeypatch.setattr(deploy.Terraform, "edit_state", lambda self, edit: edits.append(edit))
    run(plan(present={FUNCTION: {"id": "f", "source_code_hash": "aaaa", "code_sha256": "bbbb"}}), adopt=True)
    block = {"mode": "managed", "module": "module.a", "type": "aws_lambda_function", "name": "this"}
    this, other = ({"source_code_hash": "aaaa", "code_sha256": "bbbb"} for _ in range(2))
    found = {"module.a": this, "module.b": other}
    edits[0]({"resources": [{**block, "module": m, "instances": [{"attributes": each}]} for m, each in found.items()]})
    assert (this["source_code_hash"], other["source_code_hash"]) == ("bbbb", "aaaa")


def test_what_was_not_shown_is_not_adopted(
    run: Callable[..., drift.Report], terraform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = plan((FUNCTION, {"id": "f", "timeout": 3}, {"id": "f", "timeout": 901}))
    answers = iter([CHANGED, later])
    monkeypatch.setattr(deploy.Terraform, "show", lambda self, plan: next(answers))
    with pytest.raises(OrreryError, match="changed once more"):
        run(CHANGED, adopt=True)
    assert "apply" not in terraform.commands


def test_a_stack_that_is_not_deployed_has_no_drift(run: Callable[..., drift.Report], terraform: Any) -> None:
    with pytest.raises(OrreryError, match="70_quasar is not deployed on local") as caught:
        run(CHANGED, state={})
    assert caught.value.next_step == "make deploy STACK=70_quasar" and caught.value.code == 1
    assert "plan" not in terraform.commands


def test_a_stack_that_another_run_works_on_is_left_alone(
    run: Callable[..., drift.Report], terraform: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "stacks" / "70-quasar" / "local"
    folder.mkdir(parents=True)
    with open(folder / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OrreryError, match="another run works on 70_quasar") as caught:
            run(CHANGED)
    assert caught.value.code == 75 and terraform.commands == []


@pytest.mark.parametrize(("found", "options", "code"), [
    (CHANGED, [], 3), (CHANGED, ["--json"], 3), (CHANGED, ["--adopt"], 0), (plan(), [], 0),
])  # fmt: skip
def test_the_exit_code_tells_drift_from_failures_and_misunderstandings(
    run: Callable[..., drift.Report], found: dict[str, Any], options: list[str], code: int
) -> None:
    run(found)
    done = cli.app(["drift", "70_quasar", *options], standalone_mode=False)
    assert (done or 0) == code


# ------------------------------------------------------------------------------------------------- by whom


def event(day: int, name: str, **more: Any) -> dict[str, Any]:
    return {"EventTime": datetime(2026, 11, day, 3, 4, 5, tzinfo=UTC), "EventName": name, **more}


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Callable[..., trail.Trail]:
    """CloudTrail in two regions, with answers in the order in which they are asked for; `requests` notes the questions."""
    settings = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    stubs: dict[str, Stubber] = {}
    made = boto3.client

    def client(service: str, region_name: str, **more: Any) -> Any:
        real = made(service, region_name=region_name, **settings)
        stubs[region_name] = Stubber(real)
        for name, events in answers[region_name]:
            wanted = [{"AttributeKey": "ResourceName", "AttributeValue": name}]
            expected = {"LookupAttributes": wanted, "MaxResults": 50}
            if isinstance(events, str):
                stubs[region_name].add_client_error("lookup_events", events)
            else:
                stubs[region_name].add_response("lookup_events", {"Events": events}, expected)
        stubs[region_name].activate()
        return real

    answers: dict[str, list[tuple[str, Any]]] = {}

    def asked(**regions: list[tuple[str, Any]]) -> trail.Trail:
        answers.update({name.replace("_", "-"): each for name, each in regions.items()})
        monkeypatch.setattr(boto3, "client", client)
        return trail.Trail(targets.Target("aws", "123456789012"), list(answers), Ui())

    return asked


def test_the_newest_write_of_all_regions_is_told(history: Callable[..., trail.Trail]) -> None:
    read = event(9, "GetBucketPolicy", ReadOnly="true", Username="auditor")
    here, there = event(3, "PutBucketPolicy", ReadOnly="false", Username="alice"), event(5, "DeleteBucketPolicy")
    cloud = history(us_east_1=[("b", [read, here])], eu_west_1=[("b", [there | {"Username": "bob"}])])
    assert cloud.last_write("aws_s3_bucket_policy", {"bucket": "b", "id": "b"}) == trail.Write(
        "bob", "DeleteBucketPolicy", "2026-11-05 03:04:05 UTC"
    )


def test_a_resource_is_looked_for_where_it_is_and_under_each_of_its_names(history: Callable[..., trail.Trail]) -> None:
    arn = "arn:aws:sns:eu-west-1:123456789012:news"
    role = json.dumps({"userIdentity": {"arn": "arn:aws:sts::123456789012:assumed-role/ops/carol"}})
    cloud = history(
        us_east_1=[], eu_west_1=[("news", []), (arn, [event(2, "SetTopicAttributes", CloudTrailEvent=role)])]
    )
    found = cloud.last_write("aws_sns_topic", {"name": "news", "arn": arn})
    assert found is not None and found.user.endswith("/carol")


def test_iam_writes_its_history_in_one_region(history: Callable[..., trail.Trail]) -> None:
    cloud = history(us_east_1=[("r", [event(2, "PutRolePolicy")])], eu_west_1=[])
    found = cloud.last_write("aws_iam_role_policy", {"role": "r", "id": "r:grants"})
    assert found == trail.Write("unknown", "PutRolePolicy", "2026-11-02 03:04:05 UTC")


def test_nothing_is_invented_where_cloudtrail_knows_nothing(
    history: Callable[..., trail.Trail], info: StackInfo
) -> None:
    cloud = history(us_east_1=[("f", [])])
    assert cloud.last_write(kind(FUNCTION), {"id": "f"}) is None
    text = "\n".join(drift.as_text(drift.read(CHANGED), info, "aws"))
    assert "  last write: unknown\n" in text and "local cloud" not in text


def test_a_refusal_is_said_once_and_ends_the_questions(
    history: Callable[..., trail.Trail], capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = history(us_east_1=[("f", "AccessDeniedException")])
    assert [cloud.last_write(kind(FUNCTION), {"id": "f"}) for _ in range(2)] == [None, None]
    assert capsys.readouterr().err.count("CloudTrail doesn't say who it was") == 1
