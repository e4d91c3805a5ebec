"""The commands for the local cloud itself: up, status, logs, region, doctor, down."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


def states(orrery: Any) -> dict[str, str]:
    return {
        each["name"]: each["state"] for each in json.loads(orrery.ok("status", "--json")) if each["state"] != "stopped"
    }


def test_services_are_started_shown_and_stopped(orrery: Any) -> None:
    orrery.ok("down")  # tests that came before in this process may have started any
    assert "http://127.0.0.1:" in orrery.ok("up", "aws", "postgres", "cron")
    assert states(orrery) == {"aws": "running", "postgres": "running", "cron": "running"}
    table = orrery.ok("status")
    assert table.splitlines()[0].split("\t")[:2] == ["service", "state"]
    assert "\x1b" not in table
    orrery.ok("up")  # without a name: all but those that are started by name only
    assert states(orrery) == {"aws": "running", "postgres": "running", "cron": "running"}
    orrery.ok("down", "postgres")
    assert states(orrery) == {"aws": "running", "cron": "running"}
    assert "the data stays" in orrery.ok("down")
    assert states(orrery) == {}


def test_logs_show_the_end_of_a_services_log(orrery: Any) -> None:
    orrery.ok("up", "aws")
    shown = orrery.ok("logs", "aws", "--lines", "3").splitlines()
    assert 1 <= len(shown) <= 3


def test_a_region_is_cut_and_restored(orrery: Any) -> None:
    orrery.ok("up", "aws")
    assert orrery.ok("region", "cut", "eu-west-1") == "eu-west-1: refuses connections\n"
    assert orrery.ok("region", "restore", "eu-west-1") == "eu-west-1: answers again\n"
    done = orrery.run("region", "cut", "mars-1")
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "us-east-1" in done.stderr


def test_the_doctor_looks_at_this_machine(orrery: Any) -> None:
    done = orrery.run("doctor")
    assert done.stdout.startswith(("ok    ", "FAILED"))
    assert (done.returncode == 0) == ("FAILED" not in done.stdout)
    assert done.stdout.count("next: ") == done.stdout.count("FAILED")
