"""A drill in an account undoes what it breaks, however it ends, refuses what AWS can't do, and asks first.

No account is behind these tests: moto stands for Lambda, the Fault Injection Service, Route 53's records and CloudWatch.
moto's Fault Injection Service pauses nothing, and it knows no answers of Route 53: the tests give them.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.validate import ParamValidator
from moto import mock_aws
from moto.moto_api import state_manager

from infra import catalog, cli, deploy, stack, targets
from infra.drill import account, aws, command
from infra.drill.aws import AwsFaults, AwsResolver, Parts, Strike, Undo
from infra.drill.resolver import Record
from infra.errors import OrreryError
from infra.local.faults import Fault
from infra.output import Ui

AWAY, HOME = "eu-west-1", "us-east-1"
ACCOUNT = "123456789012"
BLACKHOLE = catalog.built("14_blackhole")
REFUSE, LINK = Fault("refuse", AWAY), Fault("hang", AWAY, "replication")
PARTS = Parts(
    "14-blackhole",
    ACCOUNT,
    {HOME: "orrery-api-us", AWAY: "orrery-api-eu"},
    "orrery-users",
    {HOME: "orrery-avatars-us", AWAY: "orrery-avatars-eu"},
    {"stack": "14-blackhole", "managed-by": "orrery"},
    f"arn:aws:iam::{ACCOUNT}:role/orrery-fault-role",
)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    """An account with the two functions; that of us-east-1 has no reserved concurrency, the other 100."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    state_manager.set_transition("fis::experiment", {"progression": "manual", "times": 1})
    with mock_aws():

        def client(service: str, region: str) -> Any:
            return boto3.client(service, region_name=region)

        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = client("iam", HOME).create_role(RoleName="api", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("handler.py", "def handler(event, context): return None\n")
        for region, name in PARTS.functions.items():
            client("lambda", region).create_function(
                FunctionName=name,
                Role=role,
                Runtime="python3.12",
                Handler="handler.handler",
                Code={"ZipFile": packed.getvalue()},
            )
        client("lambda", AWAY).put_function_concurrency(
            FunctionName=PARTS.functions[AWAY], ReservedConcurrentExecutions=100
        )
        yield client
    state_manager.unset_transition("fis::experiment")


@pytest.fixture
def undo(tmp_path: Path) -> Undo:
    return Undo(tmp_path / "aws" / aws.FILE)


@pytest.fixture
def faults(clients: Callable[[str, str], Any], undo: Undo) -> AwsFaults:
    return AwsFaults(PARTS, clients, undo, minutes=7, poll_s=0.001)


def concurrency(clients: Callable[[str, str], Any], region: str) -> int | None:
    found = clients("lambda", region).get_function_concurrency(FunctionName=PARTS.functions[region])
    value: int | None = found.get("ReservedConcurrentExecutions")
    return value


def experiments(clients: Callable[[str, str], Any], region: str) -> dict[str, str]:
    """Return the state of each experiment of a region, by its tag."""
    found = clients("fis", region).list_experiments()["experiments"]
    return {each["tags"][aws.TAG]: each["state"]["status"] for each in found}


# ------------------------------------------------------------------------------------------- functions


@pytest.mark.parametrize(("region", "before"), [(AWAY, 100), (HOME, None)])
def test_a_region_that_refuses_has_a_function_that_takes_no_calls_and_gets_back_what_it_had(
    clients: Callable[[str, str], Any], faults: AwsFaults, undo: Undo, region: str, before: int | None
) -> None:
    faults.set([Fault("refuse", region)])
    assert concurrency(clients, region) == 0
    faults.set([Fault("hang", region)])
    assert concurrency(clients, region) == 0, "the next step breaks the same: nothing moves in between"
    faults.set([])
    assert concurrency(clients, region) == before and not undo.file.exists()


def test_what_is_to_undo_is_written_before_anything_is_changed(
    clients: Callable[[str, str], Any], undo: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = clients("lambda", AWAY)

    def killed(**request: Any) -> None:
        raise KeyboardInterrupt

    asked = SimpleNamespace(get_function_concurrency=real.get_function_concurrency, put_function_concurrency=killed)
    with pytest.raises(KeyboardInterrupt):
        AwsFaults(PARTS, lambda service, region: asked, undo, 1).set([REFUSE])
    (entry,) = undo.read()
    assert (entry["function"], entry["before"]) == (PARTS.functions[AWAY], 100)
    assert undo.file.stat().st_mode & 0o077 == 0


def test_what_a_killed_drill_left_is_undone_by_mend_and_no_other_drill_starts_before(
    clients: Callable[[str, str], Any], faults: AwsFaults, undo: Undo
) -> None:
    faults.set([REFUSE, LINK])  # and then nobody ends it
    place = ground(clients, undo.file)
    with pytest.raises(OrreryError, match="left something broken") as refused, place.held("next"):
        pytest.fail("it started")
    assert "--mend" in (refused.value.next_step or "")
    said: list[str] = []
    aws.mend(undo, clients, ACCOUNT, said.append, 0.001)
    assert concurrency(clients, AWAY) == 100 and not undo.file.exists()
    assert {*experiments(clients, AWAY).values(), *experiments(clients, HOME).values()} == {"stopped"}
    assert len(said) == 2 and "takes calls again (reserved concurrency 100)" in " ".join(said)


def test_in_another_account_nothing_is_mended_and_nothing_forgotten(
    clients: Callable[[str, str], Any], faults: AwsFaults, undo: Undo
) -> None:
    faults.set([REFUSE])
    with pytest.raises(OrreryError, match=f"it is in account {ACCOUNT}, not in 999999999999"):
        aws.mend(undo, clients, "999999999999", print)
    assert concurrency(clients, AWAY) == 0 and len(undo.read()) == 1


def test_what_cannot_be_undone_stays_written_down_and_the_rest_is_undone(
    clients: Callable[[str, str], Any], faults: AwsFaults, undo: Undo
) -> None:
    faults.set([REFUSE, Fault("refuse", HOME)])
    clients("lambda", HOME).delete_function(FunctionName=PARTS.functions[HOME])
    with pytest.raises(OrreryError, match=f"not undone: function of {HOME}"):
        aws.mend(undo, clients, ACCOUNT, lambda line: None)
    assert concurrency(clients, AWAY) == 100
    assert [each["region"] for each in undo.read()] == [HOME]


def test_a_function_that_somebody_else_stopped_is_not_struck(
    clients: Callable[[str, str], Any], faults: AwsFaults, undo: Undo
) -> None:
    stop = {"FunctionName": PARTS.functions[AWAY], "ReservedConcurrentExecutions": 0}
    clients("lambda", AWAY).put_function_concurrency(**stop)
    with pytest.raises(OrreryError, match="takes no calls already"):
        faults.set([REFUSE])
    assert undo.read() == []


@pytest.mark.parametrize("how", [KeyboardInterrupt, ValueError, SystemExit, None])
def test_a_drill_undoes_its_faults_however_it_ends(
    clients: Callable[[str, str], Any], tmp_path: Path, how: type[BaseException] | None
) -> None:
    place = ground(clients, tmp_path / aws.FILE)

    def block() -> None:
        with place.held("drill") as held:
            held.set([REFUSE])
            assert concurrency(clients, AWAY) == 0
            if how:
                raise how

    if how:
        with pytest.raises(how):
            block()
    else:
        block()
    assert concurrency(clients, AWAY) == 100 and not (tmp_path / aws.FILE).exists()


# ------------------------------------------------------------------------------------------- replication


def test_a_link_is_cut_both_ways_of_the_table_and_of_exactly_these_buckets(
    clients: Callable[[str, str], Any], faults: AwsFaults
) -> None:
    faults.set([LINK])
    made = {
        region: clients("fis", region).get_experiment_template(id=each["id"])["experimentTemplate"]
        for region in (AWAY, HOME)
        for each in clients("fis", region).list_experiment_templates()["experimentTemplates"]
    }
    assert {region: sorted(each["actions"]) for region, each in made.items()} == {
        AWAY: [f"bucket-to-{HOME}", "table"],
        HOME: [f"bucket-to-{AWAY}"],
    }
    table = made[AWAY]["targets"]["table"]
    assert table["resourceArns"] == [f"arn:aws:dynamodb:{AWAY}:{ACCOUNT}:table/orrery-users"]
    assert made[AWAY]["actions"]["table"]["parameters"] == {"duration": "PT7M"}
    assert made[HOME]["actions"][f"bucket-to-{AWAY}"]["parameters"] == {
        "duration": "PT7M",
        "region": AWAY,
        "destinationBuckets": "orrery-avatars-eu",
    }
    for each in made.values():
        assert each["targets"]["bucket"]["resourceTags"] == PARTS.tags and each["roleArn"] == PARTS.role
        assert each["stopConditions"] == [{"source": "none"}]
    assert set(experiments(clients, AWAY).values()) == set(experiments(clients, HOME).values()) == {"running"}


def test_a_region_that_returns_before_its_link_keeps_the_same_pause(
    clients: Callable[[str, str], Any], faults: AwsFaults, undo: Undo
) -> None:
    faults.set([REFUSE, LINK])
    first = experiments(clients, AWAY)
    assert concurrency(clients, AWAY) == 0
    faults.set([LINK])
    assert concurrency(clients, AWAY) == 100
    assert experiments(clients, AWAY) == first and set(first.values()) == {"running"}
    faults.set([])
    assert set(experiments(clients, AWAY).values()) == set(experiments(clients, HOME).values()) == {"stopped"}
    assert clients("fis", AWAY).list_experiment_templates()["experimentTemplates"] == []
    assert not undo.file.exists()
    faults.check()


def test_a_pause_that_ended_by_itself_makes_the_drill_worthless(
    clients: Callable[[str, str], Any], faults: AwsFaults
) -> None:
    faults.set([LINK])
    for each in clients("fis", AWAY).list_experiments()["experiments"]:
        clients("fis", AWAY).stop_experiment(id=each["id"])
        clients("fis", AWAY).get_experiment(id=each["id"])
    faults.set([])
    with pytest.raises(OrreryError, match="the pause had ended before it was to"):
        faults.check()


def test_an_experiment_that_does_not_begin_says_why_and_leaves_nothing(
    clients: Callable[[str, str], Any], undo: Undo
) -> None:
    """As where a bucket is found by no tag: the service fails the experiment."""

    def failing(service: str, region: str) -> Any:
        client = clients(service, region)
        if service == "fis" and region == HOME:
            state = {"status": "failed", "reason": "Target resolution returned empty set"}
            client.get_experiment = lambda id: {"experiment": {"state": state}}
        return client

    faults = AwsFaults(PARTS, failing, undo, 5, 0.001)
    with pytest.raises(OrreryError, match="Target resolution returned empty set"):
        faults.set([REFUSE, LINK])
    assert concurrency(clients, AWAY) == 100, "the function is not struck before the link is cut"
    aws.mend(undo, clients, ACCOUNT, lambda line: None, 0.001)
    assert set(experiments(clients, AWAY).values()) == {"stopped"} and not undo.file.exists()


def test_experiments_of_others_are_left_alone(clients: Callable[[str, str], Any], faults: AwsFaults) -> None:
    fis = clients("fis", AWAY)
    other = {
        "clientToken": "1",
        "description": "somebody else's",
        "stopConditions": [{"source": "none"}],
        "actions": {"wait": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1M"}}},
        "roleArn": PARTS.role,
        "tags": {aws.TAG: f"{PARTS.stack}/{AWAY}/00000000"},
    }
    template = fis.create_experiment_template(**other)["experimentTemplate"]["id"]
    fis.start_experiment(clientToken="2", experimentTemplateId=template, tags=other["tags"])
    faults.set([LINK])
    faults.set([])
    assert experiments(clients, AWAY)[f"{PARTS.stack}/{AWAY}/00000000"] in ("pending", "initiating", "running")
    assert [each["id"] for each in fis.list_experiment_templates()["experimentTemplates"]] == [template]


# ------------------------------------------------------------------------------------------- refusals


def chosen(name: str) -> tuple[dict[str, Any], Path]:
    file = command.chosen(BLACKHOLE, name)
    return json.loads(file.read_text()), file


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("region_slow", "a delay of a region is not to be had on AWS"),
        ("region_errors", "an error of a region is not to be had on AWS, for 60% of the calls"),
        ("clock_skew", "a skew of replication is not to be had on AWS"),
    ],
)
def test_what_aws_cannot_do_is_refused_with_its_line_and_says_what_can_be_done(name: str, what: str) -> None:
    experiment, file = chosen(name)
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if '"kind"' in text)
    with pytest.raises(OrreryError) as refused:
        aws.refuse(experiment, file, PARTS)
    assert refused.value.what.startswith(f"{file.name}:{line}: {what}")
    assert refused.value.next_step == (
        "on AWS there are: link_down, primary_refuses, region_flaps, region_hangs, region_refuses, region_returns, region_returns_fenced"
    )


def test_a_link_takes_a_role_and_a_region_a_function() -> None:
    experiment, file = chosen("region_returns")
    assert aws.refuse(experiment, file, PARTS) == [Strike("function", AWAY), Strike("replication", AWAY)]
    without = Parts(**{**vars(PARTS), "role": ""})
    with pytest.raises(OrreryError, match=r"^region_returns\.json:\d+: to pause replication takes a role") as refused:
        aws.refuse(experiment, file, without)
    assert "SET=drill_role=true" in (refused.value.next_step or "")
    with pytest.raises(OrreryError, match="no function of eu-west-1"):
        aws.refuse(experiment, file, Parts(**{**vars(PARTS), "functions": {HOME: "f"}}))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "hang", "region": AWAY, "service": "dynamodb"},
        {"kind": "hang", "region": AWAY, "share": 0.5},
        {"kind": "refuse"},
        {"kind": "drop", "region": AWAY, "after_bytes": 10},
        {"kind": "delay", "region": AWAY, "service": "replication", "latency_ms": 10},
    ],
)
def test_nothing_stands_for_a_fault_that_is_not_a_whole_region_or_its_link(fault: dict[str, Any]) -> None:
    assert aws.strike_of(fault) is None


def test_a_drill_on_aws_is_refused_before_anybody_is_asked_for_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "session", lambda *given: pytest.fail("it was opened"))
    for experiment, hurry, what in (
        ("region_refuses", 5.0, "--hurry divides times"),
        ("region_slow", 1.0, "a delay of a region"),
        ("link_down", 1.0, "takes a role"),
    ):
        with pytest.raises(OrreryError, match=what):
            command.drill(BLACKHOLE, Ui(), experiment=experiment, hurry=hurry, target="aws", yes=True)


def test_all_experiments_at_once_are_for_the_local_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "session", lambda *given: pytest.fail("it was opened"))
    with pytest.raises(OrreryError, match="on the local cloud"):
        cli.drill("14", every=True, target="aws")
    with pytest.raises(OrreryError, match="there is no target 'azure'"):
        cli.drill("14", target="azure")


def test_mending_is_for_aws_and_does_nothing_where_nothing_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OrreryError, match="local faults end by themselves"):
        account.mend(BLACKHOLE, "local", Ui())
    account.mend(BLACKHOLE, "aws", Ui())  # without credentials: nobody is asked
    assert "has left anything broken" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------- the name


ZONE_NAME = "users.example.com"
HOSTS = {HOME: "us.execute-api.example.org", AWAY: "eu.execute-api.example.org"}


class Route53:
    """moto's Route 53 with the name's records, and answers that the test gives."""

    ttl = 60

    def __init__(self, client: Any) -> None:
        self.client = client
        self.leads: dict[str, str] = {aws.HOMES[region]: region for region in HOSTS}
        self.fails = 0
        self.zone = client.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
        for region, host in HOSTS.items():
            config = {"Type": "HTTPS", "FullyQualifiedDomainName": host, "RequestInterval": 10, "FailureThreshold": 3}
            check = client.create_health_check(CallerReference=region, HealthCheckConfig=config)["HealthCheck"]["Id"]
            record = {
                "Name": ZONE_NAME,
                "Type": "CNAME",
                "SetIdentifier": region,
                "Region": region,
                "TTL": self.ttl,
                "HealthCheckId": check,
                "ResourceRecords": [{"Value": host}],
            }
            batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
            client.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def test_dns_answer(self, **request: Any) -> dict[str, Any]:
        shape = self.client.meta.service_model.operation_model("TestDNSAnswer").input_shape
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()
        assert (request["RecordName"], request["RecordType"]) == (ZONE_NAME, "CNAME")
        if self.fails:
            self.fails -= 1
            error = {"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}
            raise self.client.exceptions.ClientError(error, "TestDNSAnswer")
        host = HOSTS.get(self.leads[request["EDNS0ClientSubnetIP"]], "elsewhere.example.org")
        return {"RecordData": [f"{host}."], "ResponseCode": "NOERROR"}


@pytest.fixture
def route53(clients: Callable[[str, str], Any]) -> Route53:
    return Route53(clients("route53", HOME))


def until(condition: Callable[[], bool]) -> None:
    import threading
    import time

    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never became so"
        threading.Event().wait(0.002)


def test_clients_are_led_where_route53_leads_an_address_in_their_home(route53: Route53) -> None:
    heard: list[tuple[str, str]] = []
    made = AwsResolver(route53, route53.zone, ZONE_NAME, aws.HOMES, lambda *each: heard.append(each), 0.002)
    assert made.records[AWAY] == Record(AWAY, 60.0, 10.0, 3, check=made.records[AWAY].check)
    assert made.answer(AWAY) == (AWAY, 60.0) and made.answer(HOME) == (HOME, 60.0)
    made.start()
    route53.fails = 2  # asked too often: what was known still counts
    route53.leads[aws.HOMES[AWAY]] = HOME
    until(lambda: bool(heard))
    assert made.client(AWAY).region() == HOME and made.healthy == [HOME]
    route53.leads[aws.HOMES[AWAY]] = AWAY
    until(lambda: len(heard) == 2)
    made.stop()
    assert heard == [("unhealthy", AWAY), ("healthy", AWAY)] and made.answer(AWAY)[0] == AWAY


def test_an_address_that_is_led_elsewhere_from_the_start_is_refused(route53: Route53) -> None:
    route53.leads[aws.HOMES[AWAY]] = HOME
    with pytest.raises(OrreryError, match=rf"leads a client at {re.escape(aws.HOMES[AWAY])} to us-east-1, not to"):
        AwsResolver(route53, route53.zone, ZONE_NAME, aws.HOMES, lambda *each: None)
    with pytest.raises(OrreryError, match="no address of a client in eu-west-1") as refused:
        AwsResolver(route53, route53.zone, ZONE_NAME, {HOME: "52.0.0.0"}, lambda *each: None)
    assert "settings.drill.aws.homes" in (refused.value.next_step or "")


# ------------------------------------------------------------------------------------------- parts and ground


def ground(clients: Callable[[str, str], Any], file: Path, name: str = "region_refuses") -> aws.AwsGround:
    from infra.drill.ground import Context

    place = aws.AwsGround(
        Context(targets.Target("aws", ACCOUNT), {}, (HOME, AWAY)), PARTS, file, chosen(name)[0], clients
    )
    place.poll_s = place.ask_s = place.look_s = 0.01
    return place


def test_what_stack_toml_names_is_what_the_stack_deploys(tmp_path: Path) -> None:
    found, made = stack.create(BLACKHOLE, targets.offline(), tmp_path)
    wanted = BLACKHOLE.settings["drill"]["aws"]
    deployed = {each["name"] for name, each in made["module"].items() if name.startswith("function_")}
    assert {found.physical(name) for name in wanted["functions"].values()} == deployed
    outputs = made["output"]
    assert {wanted["table"], *wanted["buckets"].values()} <= outputs.keys()
    assert wanted["role"] not in outputs and "fault_role" not in made["module"], "a role is for those who ask for it"
    assert wanted["uses"].keys() == BLACKHOLE.settings["drill"]["load"].keys()


def test_the_role_may_pause_the_stacks_own_table_and_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, Any]", BLACKHOLE.settings), "drill_role", True)
    _, made = stack.create(BLACKHOLE, targets.offline(), tmp_path)
    role, parts = made["module"]["fault_role"], made["module"]
    assert role["bucket_arns"] == [f"arn:aws:s3:::{parts[f'avatars_{each}']['name']}" for each in ("us", "eu")]
    assert [each.rpartition("/")[2] for each in role["table_arns"]] == [parts["users"]["name"]] * 2
    assert "fault_role_arn" in made["output"]
    tagged = {name for name, each in parts.items() if each.get("tags")}
    assert tagged == {"avatars_us", "avatars_eu"} and parts["avatars_eu"]["tags"] == {"drill": "avatars"}


def test_the_report_says_what_was_real_and_what_stood_for_the_fault(
    clients: Callable[[str, str], Any], tmp_path: Path
) -> None:
    facts = "\n".join(ground(clients, tmp_path / aws.FILE, "region_returns").facts())
    assert "the function of eu-west-1 takes no calls (reserved concurrency 0)" in facts
    assert "replication from and to eu-west-1 is paused (Fault Injection Service)" in facts
    assert "clients of the table and of the buckets go on" in facts and "up to 5 minutes more" in facts
    assert "local cloud" not in facts
