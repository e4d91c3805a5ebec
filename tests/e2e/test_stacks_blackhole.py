"""14_blackhole as a user has it: deployed from nothing, deployed again, cut in half, destroyed."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from infra import targets
from infra.live import Live
from infra.local import Cloud
from infra.output import Ui
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

STACK = "14_blackhole"
SLUG = "14-blackhole"
HOME, AWAY = "us-east-1", "eu-west-1"


@pytest.fixture
def deployed(deployments: dict[str, Any]) -> str:
    """What the first deployment printed."""
    done = deployments[STACK]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture
def live(deployed: str, orrery: Any, local_cloud: Cloud) -> Live:
    target = targets.local(local_cloud.aws_environment(), local_cloud.endpoint("aws").region_urls)
    return Live(target, orrery.outputs(SLUG), Ui())


def ask(live: Live, region: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = live.outputs[f"api_{region.replace('-', '_')}"] + path
    answer = live.http(method, url, region, json.dumps(body) if body else None)
    return answer.status, json.loads(answer.body)


def test_a_deployment_from_nothing_proves_that_it_works(deployed: str) -> None:
    checks = [line for line in deployed.splitlines() if line.startswith("  ok  ")]
    for what in (
        f"the health check of {HOME} answers: 200",
        f"the health check of {AWAY} answers: 200",
        f"a user written in {HOME} is read in {AWAY}: PUT 201, GET 200, lookup 200",
        f"a user written in {AWAY} is read in {HOME}: PUT 201, GET 200, lookup 200",
        f"an avatar put in {HOME} arrives in {AWAY}",
        f"an avatar put in {AWAY} arrives in {HOME}",
    ):
        assert any(what in line for line in checks), (what, deployed)
    assert "FAILED" not in deployed


def test_it_says_what_ran_and_what_to_try_next(deployed: str) -> None:
    assert "Local cloud: " in deployed and "1 cloud-only (query_log of name)" in deployed
    assert "  api_us_east_1 = http" in deployed
    assert "region cut eu-west-1" in deployed


def test_a_second_deployment_changes_nothing(deployed: str, orrery: Any) -> None:
    again = orrery.ok("deploy", "14")
    assert again.startswith("14_blackhole on local: no change"), again


def test_a_region_that_is_cut_off_refuses_while_the_other_serves(live: Live, orrery: Any) -> None:
    user = {"name": "Karl Schwarzschild", "email": "karl@example.com"}
    assert ask(live, HOME, "PUT", "/users/karl", user)[0] == 201
    assert orrery.ok("region", "cut", AWAY) == f"{AWAY}: refuses connections\n"
    try:
        with pytest.raises(ConnectionRefusedError):
            ask(live, AWAY, "GET", "/users/karl")
        assert ask(live, HOME, "GET", "/users/karl")[0] == 200
        assert ask(live, HOME, "PUT", "/users/karl", user | {"name": "K. S."})[1]["version"] == 2
    finally:
        assert orrery.ok("region", "restore", AWAY) == f"{AWAY}: answers again\n"
    seen = live.wait(
        "the change to arrive",
        lambda: (found := ask(live, AWAY, "GET", "/users/karl"))[1].get("version") == 2 and found,
        timeout_s=30,
    )
    assert seen[1]["name"] == "K. S." and seen[1]["written_in"] == HOME
    assert ask(live, AWAY, "POST", "/lookup", {"email": "KARL@example.com"})[1]["users"][0]["user_id"] == "karl"


def test_a_fence_written_in_one_region_keeps_the_other_from_writing(live: Live) -> None:
    item = {"user_id": {"S": f"fence-{AWAY}"}, "region": {"S": HOME}, "version": {"N": "1"}}
    item["updated_at"] = {"S": "2026-11-25T12:00:00Z"}
    table = live.client("dynamodb", HOME)

    def fence(closed: bool) -> None:
        table.put_item(TableName=live.outputs["users_table"], Item={**item, "closed": {"BOOL": closed}})

    def ready() -> int:
        return ask(live, AWAY, "GET", "/ready")[0]

    user = {"name": "Fenced", "email": "fenced@example.com"}
    fence(True)
    try:
        live.wait("the fence to arrive", lambda: ready() == 503, timeout_s=30)
        status, answer = ask(live, AWAY, "PUT", "/users/fenced", user)
        assert status == 503 and "fenced since 2026-11-25T12:00:00Z" in answer["error"]
        assert ask(live, HOME, "PUT", "/users/fenced", user)[0] == 201
    finally:
        fence(False)
    live.wait("the fence to be lifted", lambda: ready() == 200, timeout_s=30)
    assert ask(live, AWAY, "PUT", "/users/fenced", user)[0] in (200, 201)


def test_the_runbook_gives_a_region_up_and_takes_it_back(live: Live, orrery: Any) -> None:
    user = {"name": "Runbook", "email": "runbook@example.com"}
    plan = orrery.ok("failover", STACK, AWAY, "--dry-run")
    assert (
        f"would  write the fence of {AWAY} in {HOME} (in {HOME}: not fenced)" in plan and "Nothing was changed." in plan
    )
    assert ask(live, AWAY, "GET", "/ready")[0] == 200, "a dry run changes nothing"

    orrery.ok("region", "cut", AWAY)
    try:
        early = orrery.run("failover", STACK, AWAY, "--back")
        assert early.returncode == 1 and f"{AWAY} does not answer yet" in early.stderr
        done = orrery.ok("failover", STACK, AWAY)
        assert "closed at" in done and "not seen refusing" in done, done
        nobody = orrery.run("failover", STACK, HOME)
        assert nobody.returncode == 1 and f"{AWAY} does not serve" in nobody.stderr, "the last one stays"
        assert ask(live, HOME, "GET", "/ready")[0] == 200
        assert ask(live, HOME, "PUT", "/users/runbook", user)[0] == 201
    finally:
        orrery.ok("region", "restore", AWAY)
    live.wait("the fence to be noticed", lambda: ask(live, AWAY, "GET", "/ready")[0] == 503, timeout_s=30)
    assert ask(live, AWAY, "PUT", "/users/runbook", user)[0] == 503
    again = orrery.ok("failover", STACK, AWAY)
    assert "it was closed already" in again, "it can be run again"

    back = orrery.ok("failover", STACK, AWAY, "--back")
    assert f"lift the fence of {AWAY}: opened at" in back, back
    assert ask(live, AWAY, "GET", "/users/runbook")[1]["written_in"] == HOME
    assert ask(live, AWAY, "PUT", "/users/runbook", user)[0] == 200
    twice = orrery.run("failover", STACK, AWAY, "--back")
    assert twice.returncode == 1 and f"{AWAY} serves already" in twice.stderr


def test_a_region_does_not_come_back_before_it_has_all_that_it_missed(live: Live, orrery: Any) -> None:
    """The link is still down when the region answers again: it is fenced by hand, and must stay so."""
    from infra import catalog, runbook
    from infra.errors import OrreryError
    from infra.local.faults import Fault

    book: Any = runbook.of(catalog.built(STACK))
    cloud = Cloud(orrery.state)
    with cloud.faults().held([Fault("hang", AWAY, "replication")]):
        runbook.perform(book.failover(live, (HOME, AWAY), AWAY), lambda line: None)
        assert ask(live, AWAY, "GET", "/ready")[0] == 503, "fenced by its own item: the other can't arrive"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(book, "ARRIVAL_S", 0.5)
            with pytest.raises(OrreryError, match="waited 0 s in vain for a marker"):
                runbook.perform(book.failback(live, (HOME, AWAY), AWAY), lambda line: None)
        assert ask(live, AWAY, "GET", "/ready")[0] == 503
    runbook.perform(book.failback(live, (HOME, AWAY), AWAY), lambda line: None)
    assert ask(live, AWAY, "GET", "/ready")[0] == 200


def test_it_survives_a_restart_of_the_local_cloud(live: Live, orrery: Any) -> None:
    ask(live, HOME, "PUT", "/users/restarted", {"name": "R", "email": "r@example.com"})
    orrery.ok("down")
    orrery.ok("up", "aws")
    for region in (HOME, AWAY):
        assert ask(live, region, "GET", "/users/restarted")[0] == 200
        assert ask(live, region, "GET", "/ready")[0] == 200


@pytest.mark.parametrize("experiment", ["region_refuses", "region_errors"])
def test_a_short_drill_loses_nothing_and_says_what_clients_noticed(
    deployed: str, orrery: Any, tmp_path: Path, experiment: str
) -> None:
    """Ten times shorter than a drill that people look at: the fault lasts nine seconds."""
    done = orrery.run("drill", STACK, experiment, "--hurry", "10", "--seed", "3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / STACK).iterdir()
    found = json.loads((folder / "measures.json").read_text())
    assert found["writes"] > 200 and found["acknowledged"] > 0
    assert found["lost"] == found["mixed"] == found["differing"] == []
    assert found["detection_s"] is not None or experiment == "region_errors", (
        "a share of failed checks may not be three in a row"
    )
    events = [
        json.loads(line)["event"]["what"]
        for line in (folder / "journal.jsonl").read_text().splitlines()
        if "event" in line
    ]
    assert events.index("fault begins") < events.index("fault ends") < events.index("settled")
    assert "All invariants held." in (folder / "report.md").read_text()
    assert "<svg" in (folder / "timeline.svg").read_text()
    assert orrery.run("fault", "list").stdout.count("eu-west-1") == 0, "the faults are gone"


def test_a_region_that_returns_with_old_data_is_fenced_until_it_has_caught_up(
    deployed: str, live: Live, orrery: Any, tmp_path: Path
) -> None:
    """An operator follows the runbook during the drill; a client that writes to the fenced region is refused."""
    done = orrery.run("drill", STACK, "region_returns_fenced", "--hurry", "10", "--seed", "5", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / STACK).iterdir()
    found = json.loads((folder / "measures.json").read_text())
    lines = (folder / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"]["what"] for line in lines if "event" in line]
    assert events.count("given up") == 2 and events.count("taken back") == 1
    assert "fenced write refused: 503" in events and "fenced write accepted" not in events
    assert found["late"] > 0 and found["lost"] == found["differing"] == []
    paths = {json.loads(line)["call"]["path"] for line in lines if "call" in line}
    assert paths == {"data", "api", "avatars", "shared"}
    assert ask(live, AWAY, "GET", "/ready")[0] == 200, "it is open again"


@pytest.mark.parametrize(("with_signal", "within_s"), [(signal.SIGKILL, 15.0), (signal.SIGINT, 10.0)])
def test_a_drill_that_is_interrupted_removes_its_faults(
    deployed: str, orrery: Any, tmp_path: Path, with_signal: signal.Signals, within_s: float
) -> None:
    drill = orrery.start("drill", STACK, "region_hangs", "--hurry", "2", "--out", str(tmp_path))

    def faults() -> int:
        return len(json.loads(orrery.ok("fault", "list", "--json")))

    try:
        until(lambda: "eu-west-1" in orrery.ok("fault", "list"), 60, "the fault to begin")
        os.killpg(drill.pid, with_signal)
        until(lambda: faults() == 0, within_s, "its faults to end")
        if with_signal == signal.SIGINT:
            out, err = drill.communicate(timeout=60)
            assert drill.returncode == 130 and err.endswith("stopped\n"), out + err
    finally:
        with suppress(ProcessLookupError):
            os.killpg(drill.pid, signal.SIGKILL)
        drill.communicate()
    orrery.ok("replication", "set", "fast")
