"""A crontab runs as cron would run it, and what was missed is made up for; the clock is the tests' own."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from jobs.crontab import BUSY, CrontabError, Entry, Scheduler, Started, parse, start

NIGHT = Entry("15 2 * * *", "nightly")
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Command:
    """Stands for a command that runs until the test says how it ended."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def stop(self) -> None:
        self.code = -15


class Commands:
    def __init__(self) -> None:
        self.started: list[tuple[str, Command]] = []

    def __call__(self, entry: Entry, lock: IO[str]) -> Command:
        self.started.append((entry.command, Command()))
        return self.started[-1][1]

    def end(self, code: int = 0) -> None:
        self.started[-1][1].code = code


@pytest.fixture
def commands() -> Commands:
    return Commands()


def scheduler(tmp_path: Path, commands: Commands, *entries: Entry) -> Scheduler:
    return Scheduler("test", list(entries or [NIGHT]), tmp_path / "state", commands)


def test_a_new_entry_starts_at_its_time_once_and_not_before(tmp_path: Path, commands: Commands) -> None:
    made = scheduler(tmp_path, commands)
    made.tick(at("2026-01-01T10:00:00"))
    made.tick(at("2026-01-02T02:14:59"))
    assert commands.started == []
    assert made.wake(at("2026-01-02T02:14:59")) == at("2026-01-02T02:15:00")
    made.tick(at("2026-01-02T02:15:00"))
    made.tick(at("2026-01-02T02:15:30"))
    commands.end()
    made.tick(at("2026-01-02T02:15:59"))
    made.tick(at("2026-01-02T23:00:00"))
    assert len(commands.started) == 1


def test_missed_runs_are_made_up_for_once(tmp_path: Path, commands: Commands) -> None:
    scheduler(tmp_path, commands).tick(at("2026-01-01T10:00:00"))
    later = scheduler(tmp_path, commands)  # the machine was off for five nights
    later.tick(at("2026-01-06T09:00:00"))
    commands.end()
    later.tick(at("2026-01-06T09:01:00"))
    later.tick(at("2026-01-06T09:02:00"))
    assert len(commands.started) == 1
    later.tick(at("2026-01-07T02:15:00"))
    assert len(commands.started) == 2


def test_a_command_that_runs_is_not_started_again(tmp_path: Path, commands: Commands) -> None:
    made = scheduler(tmp_path, commands, Entry("* * * * *", "slow"))
    for minute in range(10):
        made.tick(at("2026-01-01T10:00:00") + timedelta(minutes=minute))
    assert len(commands.started) == 1
    commands.end()
    made.tick(at("2026-01-01T10:10:00"))
    assert len(commands.started) == 2


def test_a_scheduler_that_died_leaves_its_command_alone_and_does_the_run_again(
    tmp_path: Path, commands: Commands
) -> None:
    first = scheduler(tmp_path, commands)
    first.tick(at("2026-01-01T10:00:00"))
    first.tick(at("2026-01-02T02:15:00"))
    second = scheduler(tmp_path, commands)
    second.tick(at("2026-01-02T02:16:00"))
    assert len(commands.started) == 1, "the lock is the first one's still"
    for _, lock, _ in first.running.values():
        lock.close()  # as the kernel does when the command ends
    second.tick(at("2026-01-02T02:17:00"))
    assert len(commands.started) == 2, "nobody saw how it ended"


def test_what_is_stopped_does_not_count_as_done(tmp_path: Path, commands: Commands) -> None:
    made = scheduler(tmp_path, commands)
    made.tick(at("2026-01-01T10:00:00"))
    made.tick(at("2026-01-02T02:15:00"))
    made.stop()
    assert commands.started[0][1].code == -15
    scheduler(tmp_path, commands).tick(at("2026-01-02T09:00:00"))
    assert len(commands.started) == 2


@pytest.mark.parametrize(("code", "starts"), [(0, 1), (1, 1), (BUSY, 2)])
def test_a_failed_command_waits_for_its_next_time_and_a_busy_one_is_tried_again(
    tmp_path: Path, commands: Commands, code: int, starts: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made = scheduler(tmp_path, commands)
    made.tick(at("2026-01-01T10:00:00"))
    made.tick(at("2026-01-02T02:15:00"))
    commands.end(code)
    made.tick(at("2026-01-02T02:16:00"))
    assert len(commands.started) == starts
    ended = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"ended"' in line]
    assert [(line["exit"], line["level"]) for line in ended] == [(code, "error" if code else "info")]


def test_a_changed_entry_is_a_new_one(tmp_path: Path, commands: Commands) -> None:
    scheduler(tmp_path, commands).tick(at("2026-01-01T10:00:00"))
    moved = scheduler(tmp_path, commands, Entry("0 9 * * *", "nightly"))
    moved.tick(at("2026-01-02T12:00:00"))
    assert commands.started == [], "it missed nothing: it was not there"
    moved.tick(at("2026-01-03T09:00:00"))
    assert len(commands.started) == 1


def test_the_time_zone_is_the_crontabs(tmp_path: Path) -> None:
    berlin = Entry("30 2 * * *", "nightly", {"CRON_TZ": "Europe/Berlin"})
    assert berlin.following(at("2026-01-01T12:00:00")) == at("2026-01-02T01:30:00")
    assert berlin.following(at("2026-07-01T12:00:00")) == at("2026-07-02T00:30:00")
    # The night on which 02:30 does not exist: Debian's cron runs it right after the gap.
    assert berlin.latest(at("2026-03-28T12:00:00"), at("2026-03-29T12:00:00")) == at("2026-03-29T01:00:00")


def test_a_crontab_is_read_as_cron_reads_it() -> None:
    text = '# why\nSHELL=/bin/bash\nHERE = "/opt/a b"\n\n15 2 * * 1-5 "$HERE"/bin/x --y  \n@daily true\n'
    first, second = parse(text)
    assert (first.schedule, first.command) == ("15 2 * * 1-5", '"$HERE"/bin/x --y')
    assert first.environment == {"SHELL": "/bin/bash", "HERE": "/opt/a b"}
    assert second.schedule == "0 0 * * *"
    assert parse(text, {"HERE": "/elsewhere"})[0].environment["HERE"] == "/elsewhere"


@pytest.mark.parametrize(
    ("line", "complaint"), [("61 2 * * * x", "line 2"), ("what is this", "line 2"), ("0 2 * * * date +%F", "%")]
)
def test_a_line_that_cron_would_not_take_is_named(line: str, complaint: str) -> None:
    with pytest.raises(CrontabError, match=complaint):
        parse(f"# first\n{line}\n")


def test_a_command_gets_the_crontabs_settings_and_little_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SCHEDULER", "x")
    out = tmp_path / "out"
    entry = Entry("* * * * *", f'echo "$HERE ${{SECRET_OF_THE_SCHEDULER:-none}}" > {out}', {"HERE": "there"})
    with open(tmp_path / "lock", "a") as lock:
        process = start(entry, lock)
        assert isinstance(process, Started) and process.process.wait(30) == 0
    assert out.read_text() == "there none\n"
    assert os.environ["SECRET_OF_THE_SCHEDULER"] == "x"
