"""Before a drill costs money, somebody has read what it does and costs, and said yes."""

from __future__ import annotations

import io
import json
import sys
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import catalog, deploy, stack, targets
from infra.drill import account, aws, command, estimate
from infra.drill.aws import Parts, Strike
from infra.drill.workload import Plan, planned
from infra.errors import OrreryError
from infra.output import Ui
from infra.review import prices

AWAY, HOME = "eu-west-1", "us-east-1"
ACCOUNT = "123456789012"
BLACKHOLE = catalog.built("14_blackhole")
DRILL = BLACKHOLE.settings["drill"]
PARTS = Parts("14-blackhole", ACCOUNT, {HOME: "us", AWAY: "eu"}, "users", {HOME: "a", AWAY: "b"}, {}, "role")
PLAN = planned(1, (HOME, AWAY), DRILL["load"], {})


def experiment(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command.chosen(BLACKHOLE, name).read_text())
    return found


def test_an_estimate_counts_what_each_call_uses_where_it_is_charged() -> None:
    facts = {"aws": {"uses": {"data": {"write": {"table_write": 2}, "read": {"table_read": 1}}}}}
    plan = Plan(1, (HOME, AWAY), {"data": 10.0}, {"data": 2}, keys=5)
    found = estimate.rows(facts, plan, experiment("region_refuses"), [], PARTS)
    amounts = {(each.what, each.region): each.amount for each in found}
    seconds = Decimal("105.5")  # 5.5 before, 70 with the fault, 30 after
    writes = 10 * (seconds + 10)  # the trial asks for ten times as much, for a second
    assert amounts["writes of the table, in each replica", HOME] == writes * 2
    assert amounts["writes of the table, in each replica", AWAY] == writes * 2, "a global table writes everywhere"
    assert amounts["reads of the table", HOME] == 10 * seconds * Decimal("0.25") / 2
    (row,) = [each for each in found if each.region == AWAY and "writes" in each.what]
    assert row.usd == Decimal("0.705") * writes * 2 / 1_000_000 and "2026" in row.source


def test_the_sum_is_that_of_its_rows_and_what_has_no_price_is_not_zero() -> None:
    strikes = [Strike("function", AWAY), Strike("replication", AWAY)]
    found = estimate.rows(DRILL, PLAN, experiment("region_returns"), strikes, PARTS)
    assert estimate.total(found) == sum(each.usd for each in found if each.usd is not None)
    unknown = [each for each in found if each.usd is None]
    assert [(each.what, each.region) for each in unknown] == [("GB of objects sent to the other region", AWAY)]
    text = "\n".join(estimate.text("drill", found, PLAN, experiment("region_returns"), strikes, []))
    assert f"about {estimate.total(found):.2f} USD, and what is unknown" in text
    assert "GB of objects sent to the other region, price unknown in eu-west-1" in text
    assert all(f"unknown      {each}" in text for each in estimate.UNKNOWN)
    shown = sum(Decimal(line.split()[1]) for line in text.splitlines() if line.startswith("  cost") and " USD " in line)
    assert abs(shown - estimate.total(found)) < Decimal("0.001"), "the lines add up"
    for each in found:
        assert each.usd is None or (each.source and each.source in text)


def test_pauses_cost_their_lease_for_each_action() -> None:
    (row,) = [
        each
        for each in estimate.rows(DRILL, PLAN, experiment("link_down"), [Strike("replication", AWAY)], PARTS)
        if "action-minutes" in each.what
    ]
    minutes = aws.lease_minutes(experiment("link_down"))
    assert row.amount == 3 * minutes and row.usd == Decimal("0.10") * 3 * minutes
    assert not any(
        "action-minutes" in each.what
        for each in estimate.rows(DRILL, PLAN, experiment("region_refuses"), [Strike("function", AWAY)], PARTS)
    )


def test_every_kind_of_use_is_a_part_of_the_price_table() -> None:
    for what, resource, part, _ in estimate.KINDS.values():
        assert any(each.what == part and each.kind == "use" for each in prices.load().entries[resource].parts), what
    used = {kind for path in DRILL["aws"]["uses"].values() for action in path.values() for kind in action}
    assert used == estimate.KINDS.keys()


def test_what_is_said_names_strikes_calls_and_what_is_mended_first() -> None:
    strikes = [Strike("function", AWAY)]
    found = estimate.rows(DRILL, PLAN, experiment("region_refuses"), strikes, PARTS)
    left = [{"kind": "function", "region": HOME}]
    lines = estimate.text("14_blackhole, region_refuses", found, PLAN, experiment("region_refuses"), strikes, left)
    assert lines[0].startswith("14_blackhole, region_refuses: 1.7 minutes of experiment")
    assert "  first    undo what a killed drill left: function of us-east-1" in lines
    assert "  strikes  the function of eu-west-1 takes no calls (reserved concurrency 0)" in lines
    assert any(each.startswith("  calls    data: 5,775 writes, 1,319 reads, of 12 clients") for each in lines)


# ------------------------------------------------------------------------------------------- yes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session of the deployed stack in an account, in which nobody may be called."""
    built, _ = stack.create(BLACKHOLE, targets.offline(), tmp_path / "made")
    outputs = {
        "users_table": "users",
        "avatars_us_east_1": "a",
        "avatars_eu_west_1": "b",
        "public_name": "users.example.com",
        "zone_id": "Z1",
    }
    target, folder = targets.Target("aws", ACCOUNT), tmp_path / "aws"
    live = SimpleNamespace(outputs=outputs, target=target)
    made = SimpleNamespace(
        stack=built, target=target, terraform=SimpleNamespace(folder=folder), ui=Ui(), live=lambda: live
    )
    monkeypatch.setattr(deploy, "session", lambda *given: nullcontext(made))
    monkeypatch.setattr(aws, "operator", lambda context: lambda *each: pytest.fail(f"{each} was called"))
    return made


def start(monkeypatch: pytest.MonkeyPatch, out: Path, *, yes: bool) -> list[dict[str, Any]]:
    started: list[dict[str, Any]] = []

    def stand_in(settings: dict[str, Any], folder: Path, ui: Ui, title: str) -> dict[str, Any]:
        started.append(settings)
        (folder / "measures.json").write_text("{}")
        return {"broken": [], "rows": [], "line": "", "rates": {"data": 1.0}}

    monkeypatch.setattr(command, "_started", stand_in)
    command.drill(BLACKHOLE, Ui(), experiment="region_refuses", target="aws", out=out, yes=yes)
    return started


@pytest.mark.parametrize("typed", [None, "no\n", "\n", "y\n"])
def test_nothing_happens_without_a_yes(
    at: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, typed: str | None
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Terminal(typed))
    monkeypatch.setattr(command, "_started", lambda *given: pytest.fail("it started"))
    left = {"kind": "function", "region": AWAY, "account": ACCOUNT, "function": "f", "before": 1}
    aws.Undo(at.terraform.folder / aws.FILE).add(left)
    with pytest.raises(OrreryError) as refused:
        command.drill(BLACKHOLE, Ui(), experiment="region_refuses", target="aws", out=tmp_path / "out")
    assert "costs money" in refused.value.what if typed is None else "nothing was changed" in refused.value.what
    assert aws.Undo(at.terraform.folder / aws.FILE).read() == [left], "not even what is left is mended"
    assert not (tmp_path / "out").exists()
    said = capsys.readouterr().out
    assert f"14_blackhole in account {ACCOUNT}, region_refuses" in said and "  sum      about 0.0" in said


@pytest.mark.parametrize("typed", ["yes\n", None])
def test_a_yes_starts_the_drill_with_the_account_and_no_secret(
    at: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: str | None
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very secret")
    monkeypatch.setattr(sys, "stdin", Terminal(typed or ""))
    (settings,) = start(monkeypatch, tmp_path, yes=typed is None)
    assert settings["target"]["parts"]["functions"][AWAY] == "orrery-14-blackhole-api-eu"
    assert settings["target"]["faults"] == str(at.terraform.folder / aws.FILE) and settings["hurry"] == 1
    assert "very secret" not in json.dumps(settings)


def test_what_a_killed_drill_left_is_mended_after_the_yes(
    at: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []
    client = SimpleNamespace(put_function_concurrency=lambda **request: asked.append(request))
    monkeypatch.setattr(account, "_clients", lambda *given: lambda service, region: client)
    undo = aws.Undo(at.terraform.folder / aws.FILE)
    undo.add({"kind": "function", "region": AWAY, "account": ACCOUNT, "function": "f", "before": 100})
    assert len(start(monkeypatch, tmp_path, yes=True)) == 1
    assert asked == [{"FunctionName": "f", "ReservedConcurrentExecutions": 100}] and not undo.file.exists()
    assert "f takes calls again" in capsys.readouterr().out


def test_a_drill_whose_process_is_killed_is_mended_by_the_one_that_started_it(
    at: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []
    client = SimpleNamespace(put_function_concurrency=lambda **request: asked.append(request))
    monkeypatch.setattr(account, "_clients", lambda *given: lambda service, region: client)
    undo = aws.Undo(at.terraform.folder / aws.FILE)

    def killed(*given: Any) -> Any:
        undo.add({"kind": "function", "region": AWAY, "account": ACCOUNT, "function": "f", "before": 100})
        raise OrreryError("the drill failed: it said nothing")

    monkeypatch.setattr(command, "_started", killed)
    with pytest.raises(OrreryError, match="it said nothing"):
        command.drill(BLACKHOLE, Ui(), experiment="region_refuses", target="aws", out=tmp_path, yes=True)
    assert asked == [{"FunctionName": "f", "ReservedConcurrentExecutions": 100}] and not undo.file.exists()


def test_the_same_again_names_the_target() -> None:
    wanted = command.Wanted({}, Path(), 1, {}, "aws")
    assert wanted.again(BLACKHOLE, Path("region_hangs.json"), 7).endswith("region_hangs --seed 7 --target aws")


def test_a_stack_that_says_nothing_of_aws_says_what_it_lacks() -> None:
    info: Any = SimpleNamespace(id="x", settings={"drill": {"aws": {"functions": {}}}})
    with pytest.raises(OrreryError, match="lacks buckets, role, table, uses"):
        account.check(info, command.chosen(BLACKHOLE, ""), 1)
