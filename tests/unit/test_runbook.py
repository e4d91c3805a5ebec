"""A runbook looks before it acts, stops where a step says so, and needs neither Terraform nor its state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import catalog, runbook
from infra.errors import OrreryError
from infra.runbook import Step

BLACKHOLE = catalog.built("14_blackhole")


def steps(done: list[str], *, broken: bool = False) -> list[Step]:
    def look() -> str:
        if broken:
            raise OrreryError("the other region is gone too", next_step="mend it")
        return "well"

    def act() -> str:
        done.append("fenced")
        return "closed"

    return [Step("first", lambda: "seen", act), Step("second", look), Step("third", lambda: "open", act)]


def test_each_step_is_taken_and_told() -> None:
    done: list[str] = []
    said: list[str] = []
    runbook.perform(steps(done), said.append)
    assert done == ["fenced", "fenced"]
    assert said == ["  done   first: closed", "  ok     second: well", "  done   third: closed"]


def test_a_dry_run_looks_and_does_nothing() -> None:
    done: list[str] = []
    said: list[str] = []
    runbook.perform(steps(done), said.append, dry=True)
    assert done == []
    assert said == ["  would  first (seen)", "  ok     second: well", "  would  third (open)"]


def test_nothing_is_done_after_a_step_that_forbids_it() -> None:
    done: list[str] = []
    with pytest.raises(OrreryError, match="gone too"):
        runbook.perform(steps(done, broken=True), lambda line: None)
    assert done == ["fenced"]


def test_a_stack_without_a_runbook_says_so() -> None:
    with pytest.raises(OrreryError, match="01_meteor has no failover runbook"):
        runbook.of(catalog.built("01_meteor"))


def test_the_runbook_of_blackhole_has_both_ways() -> None:
    book = runbook.of(BLACKHOLE)
    assert callable(book.failover) and callable(book.failback)


def test_what_deploy_kept_is_read_without_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runbook, "STATE", tmp_path)
    folder = tmp_path / "stacks" / BLACKHOLE.slug / "aws"
    folder.mkdir(parents=True)
    runbook.keep(folder, {"users_table": "users"})
    assert runbook._outputs(BLACKHOLE, "aws", None) == {"users_table": "users"}
    assert (folder / runbook.KEPT).stat().st_mode & 0o077 == 0
    runbook.forget(folder)
    with pytest.raises(OrreryError, match="was not deployed on aws from here") as refused:
        runbook._outputs(BLACKHOLE, "aws", None)
    assert "--outputs" in (refused.value.next_step or "")


def test_what_terraform_prints_is_read_as_well(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({"users_table": {"value": "users", "type": "string", "sensitive": False}}))
    assert runbook._outputs(BLACKHOLE, "aws", file) == {"users_table": "users"}
    file.write_text("[1]")
    with pytest.raises(OrreryError, match="holds no outputs"):
        runbook._outputs(BLACKHOLE, "aws", file)
    file.write_text("{")
    with pytest.raises(OrreryError, match=r"outputs\.json: "):
        runbook._outputs(BLACKHOLE, "aws", file)


def test_an_unknown_region_names_those_that_there_are() -> None:
    from infra.output import Ui

    with pytest.raises(OrreryError, match="no region 'eu-west-9'") as refused:
        runbook.failover(BLACKHOLE, "eu-west-9", "local", Ui())
    assert "us-east-1, eu-west-1" in (refused.value.next_step or "")
