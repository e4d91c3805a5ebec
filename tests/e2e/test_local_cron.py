"""The service cron: it runs a crontab that is installed, makes up for what was missed, and forgets one that is removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local import Cloud
from jobs.crontab import parse
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

CRONTAB = 'SHELL=/bin/bash\nHERE=/nowhere\n15 2 1 1 * "$HERE"/job\n'


@pytest.fixture
def cron(local_cloud: Cloud) -> Iterator[Cloud]:
    local_cloud.up(["cron"])
    yield local_cloud
    local_cloud.remove_crontab("test")


def status(cloud: Cloud) -> dict[str, Any]:
    return cloud.cron.status(cloud._ports("cron"))


def install(cloud: Cloud, folder: Path, job: str, *, missed: bool) -> None:
    """Install a crontab whose one run is far off, or was missed for years."""
    (folder / "job").write_text(f"#!/bin/bash\n{job}\n")
    (folder / "job").chmod(0o755)
    (folder / "crontab").write_text(CRONTAB)
    cloud.install_crontab("test", folder / "crontab", {"HERE": str(folder)})
    until(lambda: status(cloud)["crontabs"].get("test"), 30, "the crontab")
    if missed:
        (entry,) = parse(CRONTAB)
        record = cloud.cron.data / "runs" / "test" / f"{entry.key}.json"
        record.write_text(json.dumps({"last": "2020-01-01T00:00:00+00:00"}))


def test_a_missed_run_is_made_up_for_with_the_settings_of_this_machine(cron: Cloud, tmp_path: Path) -> None:
    install(cron, tmp_path, 'echo "$HERE" >> "$HERE/out"', missed=True)
    until(lambda: (tmp_path / "out").exists(), 30, "the missed run")
    until(lambda: not status(cron)["crontabs"]["test"][0]["last"].startswith("2020"), 30, "its end")
    assert (tmp_path / "out").read_text() == f"{tmp_path}\n", "once, however many were missed"


def test_a_new_crontab_runs_nothing_before_its_time(cron: Cloud, tmp_path: Path) -> None:
    install(cron, tmp_path, 'touch "$HERE/out"', missed=False)
    (entry,) = status(cron)["crontabs"]["test"]
    assert entry["next"][5:16] == "01-01T02:15" and not (tmp_path / "out").exists()


def test_an_unreadable_crontab_is_said_to_be_so(cron: Cloud, tmp_path: Path) -> None:
    (tmp_path / "crontab").write_text("61 * * * * true\n")
    cron.install_crontab("test", tmp_path / "crontab", {})
    assert "line 1" in until(lambda: status(cron)["unreadable"].get("test"), 30, "the complaint")


def test_what_runs_ends_with_its_crontab(cron: Cloud, tmp_path: Path) -> None:
    install(
        cron,
        tmp_path,
        'echo $$ > "$HERE/pid.new"; mv "$HERE/pid.new" "$HERE/pid"; tail -f /dev/null',
        missed=True,
    )
    until(lambda: (tmp_path / "pid").exists(), 30, "the command")
    process = psutil.Process(int((tmp_path / "pid").read_text()))
    cron.remove_crontab("test")
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 30, "its end")
    assert "test" not in status(cron)["crontabs"]
