"""A drill as in an account, with the Chaos Toolkit and the stack's own clients; the local cloud is the account.

It shows that the parts work together, and nothing about AWS: see tests/support/stand_in_account.py for what it stands for.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra import catalog
from infra.drill import aws
from infra.local import Cloud
from infra.paths import ROOT
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

STACK = "14_blackhole"
HOME, AWAY = "us-east-1", "eu-west-1"
ACCOUNT = "000000000000"
FUNCTIONS = {HOME: "orrery-14-blackhole-api-us", AWAY: "orrery-14-blackhole-api-eu"}


@pytest.fixture
def environment(local_cloud: Cloud) -> dict[str, str]:
    keys = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {key: value for key, value in local_cloud.aws_environment().items() if key in keys}


@pytest.fixture
def clients(environment: dict[str, str]) -> Callable[[str, str], Any]:
    def made(service: str, region: str) -> Any:
        keys = {key.lower(): value for key, value in environment.items() if key != "AWS_ENDPOINT_URL"}
        return boto3.client(service, region_name=region, endpoint_url=environment["AWS_ENDPOINT_URL"], **keys)

    return made


@pytest.fixture
def drill(
    deployments: dict[str, Any], orrery: Any, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Return what starts the drill `region_refuses` in its own environment, with its times divided."""
    assert deployments[STACK].returncode == 0, deployments[STACK].stdout + deployments[STACK].stderr
    python, outputs = orrery.ok("env", "drill").strip().splitlines()[-1], orrery.outputs("14-blackhole")
    info = catalog.built(STACK)
    wanted = info.settings["drill"]
    buckets = {region: outputs[name] for region, name in wanted["aws"]["buckets"].items()}
    parts = aws.Parts(info.slug, ACCOUNT, FUNCTIONS, outputs["users_table"], buckets, {"stack": info.slug})
    started: list[subprocess.Popen[str]] = []

    def start(hurry: float) -> subprocess.Popen[str]:
        settings = {
            "stack": STACK,
            "source": str(info.path / "src"),
            "workload": wanted["workload"],
            "name": outputs["public_name"],
            "zone": outputs["zone_id"],
            "experiment": str(info.path / "chaos/region_refuses.json"),
            "title": "region_refuses",
            "out": str(tmp_path / "out"),
            "seed": 4,
            "hurry": hurry,
            "load": wanted["load"],
            "rates": {"data": 10.0, "api": 4.0, "avatars": 2.0, "shared": 1.0},
            "runbook": "blackhole.runbook",
            "prefix": "orrery-14-blackhole-",
            "outputs": outputs,
            "regions": [HOME, AWAY],
            "target": {"name": "aws", "account": ACCOUNT, "parts": asdict(parts), "faults": str(tmp_path / aws.FILE)},
        }
        file = tmp_path / "settings.json"
        file.write_text(json.dumps(settings))
        started.append(
            subprocess.Popen(
                [python, "-P", str(ROOT / "tests/support/stand_in_account.py"), str(file)],
                env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
        )
        return started[0]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
            each.communicate()


def concurrency(clients: Callable[[str, str], Any]) -> int | None:
    found = clients("lambda", AWAY).get_function_concurrency(FunctionName=FUNCTIONS[AWAY])
    value: int | None = found.get("ReservedConcurrentExecutions")
    return value


def test_the_api_of_a_struck_region_is_out_of_service_and_its_clients_are_led_away(
    drill: Callable[[float], subprocess.Popen[str]], clients: Callable[[str, str], Any], tmp_path: Path
) -> None:
    before = concurrency(clients)
    process = drill(5)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, out + err
    assert concurrency(clients) == before == 100 and not (tmp_path / aws.FILE).exists()
    documents = [json.loads(line) for line in (tmp_path / "out/journal.jsonl").read_text().splitlines()]
    events = [each["event"]["what"] for each in documents if "event" in each]
    assert events.index("fault begins") < events.index("unhealthy") < events.index("fault ends")
    calls = [each["call"] for each in documents if "call" in each]
    assert any(each["path"] == "api" and each["status"] in ("429", "500", "503") for each in calls), "it was struck"
    assert all(each["ok"] for each in calls if each["path"] in ("data", "avatars")), "the data plane was not"
    found = json.loads((tmp_path / "out/measures.json").read_text())
    assert found["lost"] == found["differing"] == found["mixed"] == []


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_drill_that_is_interrupted_restores_the_function_or_leaves_written_down_how(
    drill: Callable[[float], subprocess.Popen[str]],
    clients: Callable[[str, str], Any],
    tmp_path: Path,
    with_signal: signal.Signals,
) -> None:
    process = drill(1)
    try:
        until(lambda: concurrency(clients) == 0 or process.poll() is not None, 90, "the function to be out of service")
        assert process.poll() is None, process.communicate()
        process.send_signal(with_signal)
        process.communicate(timeout=90)
        if with_signal == signal.SIGKILL:
            assert concurrency(clients) == 0
            aws.mend(aws.Undo(tmp_path / aws.FILE), clients, ACCOUNT, print)
        assert concurrency(clients) == 100 and not (tmp_path / aws.FILE).exists()
    finally:
        again = {"FunctionName": FUNCTIONS[AWAY], "ReservedConcurrentExecutions": 100}
        clients("lambda", AWAY).put_function_concurrency(**again)
