"""A drill is the same wherever it takes place: a whole one in an account that moto stands for."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from moto import mock_aws

from infra import targets
from infra.drill import actions, aws, ground, main
from infra.drill.ground import Context
from infra.drill.workload import Failed, Found
from tests.drill.test_aws import (
    ACCOUNT,
    AWAY,
    HOME,
    PARTS,
    ZONE_NAME,
    Route53,
    clients,  # noqa: F401  # a fixture
    concurrency,
)

API = "https://abc.execute-api.eu-west-1.amazonaws.com"


class Connection:
    """Stands for a connection, and keeps what was asked."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, host: str, port: int | None, timeout: float) -> None:
        self.where = (host, port, timeout)

    def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> None:
        self.asked.append({"where": self.where, "method": method, "path": path, "body": body, "headers": dict(headers)})

    def getresponse(self) -> Any:
        return SimpleNamespace(status=200, read=lambda: b"well")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    Connection.asked = []
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return Connection.asked


def test_on_aws_requests_are_signed_with_credentials_that_are_renewed_and_go_by_tls(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import datetime

    tokens = iter(["first", "second"])

    def renewed() -> dict[str, str]:
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)  # so it is always due
        token = next(tokens)
        return {"access_key": "k", "secret_key": "s", "token": token, "expiry_time": soon.isoformat()}

    credentials = RefreshableCredentials.create_from_metadata(renewed(), renewed, "test")
    monkeypatch.setattr(boto3, "Session", lambda **given: SimpleNamespace(get_credentials=lambda: credentials))
    monkeypatch.setattr(ground.http.client, "HTTPSConnection", Connection)
    context = Context(targets.Target("aws", ACCOUNT), {}, (HOME, AWAY))
    assert context.http("PUT", f"{API}/users/7", AWAY, "{}", {"Write-Version": "3"}, 4) == (200, "well")
    (request,) = asked
    assert request["where"] == ("abc.execute-api.eu-west-1.amazonaws.com", None, 4)
    assert (request["method"], request["path"], request["body"]) == ("PUT", "/users/7", "{}")
    assert request["headers"]["X-Amz-Security-Token"] == "second", "the first had expired"
    assert f"/{AWAY}/execute-api/" in request["headers"]["Authorization"]
    assert "write-version" in request["headers"]["Authorization"]


def test_locally_requests_go_to_the_regions_port_and_name_the_api(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground.http.client, "HTTPConnection", Connection)
    door = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    urls = {HOME: "http://127.0.0.1:4567", AWAY: "http://127.0.0.1:4570"}
    context = Context(targets.local(door, urls), {}, (HOME, AWAY))
    context.http("GET", "http://abc.execute-api.localhost:4566/ready", AWAY, None, {}, 1)
    assert asked[0]["where"] == ("127.0.0.1", 4570, 1)
    assert asked[0]["headers"]["Host"] == "abc.execute-api.localhost:4566"
    at = [context.client("s3", AWAY, operator=each).meta.endpoint_url for each in (False, True)]
    assert at == ["http://127.0.0.1:4570", "http://127.0.0.1:4566"], "no fault closes the operator's door"


def test_on_aws_clients_have_aws_own_addresses(clients: Callable[[str, str], Any]) -> None:  # noqa: F811
    context = Context(targets.Target("aws", ACCOUNT), {}, (HOME, AWAY))
    for operator in (False, True):
        found = context.client("dynamodb", AWAY, operator=operator).meta.endpoint_url
        assert found == "https://dynamodb.eu-west-1.amazonaws.com"


# ------------------------------------------------------------------------------------------- a whole drill


class Store:
    """A stack whose API does not answer in a region where the function takes no calls; its data plane does."""

    guarded = "api"
    kept: ClassVar[dict[str, int]] = {}
    refused: ClassVar[dict[str, int]] = defaultdict(int)

    def __init__(self, context: Context) -> None:
        self._functions = {region: context.client("lambda", region) for region in context.regions}
        self._lock = threading.Lock()

    def write(self, path: str, region: str, key: str, seq: int) -> None:
        if path == "api" and not self.healthy(region, 1):
            self.refused[region] += 1
            raise Failed("503")
        with self._lock:
            self.kept[key] = max(seq, self.kept.get(key, -1))

    def read(self, path: str, region: str, key: str) -> int:
        return self.kept.get(key, -1)

    def content(self, region: str, keys: Sequence[str]) -> Mapping[str, Found]:
        return {key: Found(self.kept[key], self.kept[key]) for key in keys if key in self.kept}

    def healthy(self, region: str, timeout_s: float) -> bool:
        asked = self._functions[region].get_function_concurrency(FunctionName=PARTS.functions[region])
        return bool(asked.get("ReservedConcurrentExecutions", 1))

    def remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.kept.pop(key, None)


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand for the Chaos Toolkit's library, which is in the drill's own environment only: method, then rollbacks."""

    def run(experiment: dict[str, Any], settings: Any) -> dict[str, Any]:
        for activity in [*experiment["method"], *experiment["rollbacks"]]:
            provider = activity["provider"]
            getattr(importlib.import_module(provider["module"]), provider["func"])(**provider.get("arguments", {}))
            threading.Event().wait(activity.get("pauses", {}).get("after", 0))
        done = [{"activity": each, "status": "succeeded"} for each in experiment["method"]]
        return {"status": "completed", "run": done}

    exceptions, experiments = ModuleType("chaoslib.exceptions"), ModuleType("chaoslib.experiment")
    exceptions.ChaosException = type("ChaosException", (Exception,), {})  # type: ignore[attr-defined]
    experiments.ensure_experiment_is_valid = lambda experiment: None  # type: ignore[attr-defined]
    experiments.run_experiment = run  # type: ignore[attr-defined]
    for module in (ModuleType("chaoslib"), exceptions, experiments):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(actions, "RUN", None)


class Led(Route53):
    """Leads away from a region whose function takes no calls, as health checks do."""

    ttl = 3  # asked for when the drill begins, again when the fault has lasted for about half of its time

    def __init__(self, client: Any, made: Callable[[str, str], Any]) -> None:
        super().__init__(client)
        self.made = made

    def test_dns_answer(self, **request: Any) -> dict[str, Any]:
        struck = concurrency(self.made, AWAY) == 0
        self.leads[aws.HOMES[AWAY]] = HOME if struck else AWAY
        return super().test_dns_answer(**request)


@pytest.fixture
def drill(
    clients: Callable[[str, str], Any],  # noqa: F811
    chaos: None,
    tmp_path: Path,
) -> Iterator[Callable[[list[dict[str, Any]]], main.Drill]]:
    """Return what makes a drill from the steps of its method."""
    Store.kept, Store.refused = {}, defaultdict(int)
    route53 = Led(clients("route53", HOME), clients)

    def made(method: list[dict[str, Any]]) -> main.Drill:
        end = {"type": "action", "provider": {"module": "infra.drill.actions", "func": "end"}}
        last = {**end, "pauses": {"after": 2.5}}  # half a second, for the name to lead back
        experiment = {"title": "short", "description": "short.", "method": [*method, last], "rollbacks": [end]}
        file = tmp_path / "short.json"
        file.write_text(json.dumps(experiment, indent=1))
        context = Context(targets.Target("aws", ACCOUNT), {}, (HOME, AWAY))
        place = aws.AwsGround(
            context,
            PARTS,
            tmp_path / aws.FILE,
            experiment,
            lambda service, region: route53 if service == "route53" else clients(service, region),
        )
        place.ask_s = place.poll_s = place.look_s = 0.02
        load = {
            "data": {"clients": 2, "writes_per_s": 40, "what": "data"},
            "api": {"clients": 2, "writes_per_s": 20, "what": "api"},
        }
        settings = main.Settings(
            stack="14_blackhole",
            source=str(tmp_path),
            workload=f"{__name__}:Store",
            name=ZONE_NAME,
            zone=route53.zone,
            experiment=str(file),
            title="short",
            out=str(tmp_path / "out"),
            seed=3,
            hurry=5.0,
            load=load,
            rates={"data": 40.0, "api": 20.0},
            runbook="",
            prefix="orrery-",
            outputs={},
            regions=[HOME, AWAY],
            target={},
        )
        return main.Drill(settings, place)

    yield made


def begin(seconds: float, *faults: dict[str, Any]) -> dict[str, Any]:
    """Return a step that breaks something; a drill in a hurry of five waits a fifth."""
    provider = {"module": "infra.drill.actions", "func": "begin", "arguments": {"faults": list(faults)}}
    return {"type": "action", "provider": provider, "pauses": {"after": seconds * 5}}


def test_a_whole_drill_strikes_the_api_leads_its_clients_away_and_restores_the_function(
    drill: Callable[[list[dict[str, Any]]], main.Drill],
    clients: Callable[[str, str], Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    found = drill([begin(3, {"kind": "refuse", "region": AWAY})]).run()
    assert concurrency(clients, AWAY) == 100 and not (tmp_path / aws.FILE).exists()
    assert found.broken == () and found.lost == () and found.writes > 60
    assert found.detection_s is not None and found.detection_s < 3
    assert Store.refused[AWAY] > 0 and Store.refused[HOME] == 0
    calls = [json.loads(line)["call"] for line in (tmp_path / "out/journal.jsonl").open() if '"call"' in line]
    led = [
        each for each in calls if (each["path"], each["home"], each["region"], each["ok"]) == ("api", AWAY, HOME, True)
    ]
    assert led, "its clients are led away once they ask for the name again"
    events = [json.loads(line)["event"] for line in (tmp_path / "out/journal.jsonl").open() if '"event"' in line]
    assert [(each["what"], each["region"]) for each in events if "healthy" in each["what"]] == [
        ("unhealthy", AWAY),
        ("healthy", AWAY),
    ]
    report = (tmp_path / "out/report.md").read_text()
    assert "Stack 14_blackhole in an AWS account" in report and "local cloud" not in report
    assert "s in eu-west-1: “short.” What stood for that is said below." in report
    assert "What stood for the fault: the function of eu-west-1 takes no calls" in report


def test_a_whole_drill_that_fails_in_the_middle_restores_the_function(
    drill: Callable[[list[dict[str, Any]]], main.Drill],
    clients: Callable[[str, str], Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    broken = {"type": "action", "provider": {"module": "infra.drill.actions", "func": "no_such_action"}}
    made = drill([begin(0.1, {"kind": "refuse", "region": AWAY}), broken])
    with pytest.raises(AttributeError):
        made.run()
    assert "fault begins" in {each.what for each in made.journal.events}
    assert concurrency(clients, AWAY) == 100 and not (tmp_path / aws.FILE).exists()


def test_a_whole_drill_with_a_link_that_is_down_pauses_and_resumes(
    drill: Callable[[list[dict[str, Any]]], main.Drill],
    clients: Callable[[str, str], Any],  # noqa: F811
) -> None:
    found = drill([begin(0.3, {"kind": "hang", "service": "replication", "region": AWAY})]).run()
    states = [
        each["state"]["status"]
        for region in (HOME, AWAY)
        for each in clients("fis", region).list_experiments()["experiments"]
    ]
    assert states == ["stopped", "stopped"] and found.broken == ()
    assert found.writes == found.acknowledged, "clients of either region are served by their own"


def test_the_drills_process_makes_the_ground_that_it_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    file = tmp_path / "e.json"
    file.write_text(json.dumps({"title": "t", "method": [], "rollbacks": []}))
    told: dict[str, Any] = {"name": "aws", "account": ACCOUNT, "parts": vars(PARTS), "faults": str(tmp_path / "f")}
    given: Any = SimpleNamespace(target=told, experiment=str(file), outputs={"a": 1}, regions=[HOME], seed=1, hurry=1)
    with mock_aws():
        place = main.ground(given)
    assert isinstance(place, aws.AwsGround) and place.parts == PARTS and place.undo.file == tmp_path / "f"
    assert (place.context.target.name, place.context.outputs) == ("aws", {"a": 1})
