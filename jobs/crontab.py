"""A crontab, and the process that runs it where there is no cron: the same file, read as Debian's cron reads it.

Unlike cron, it remembers. A run that was missed because the machine slept is made up for, once, however many were
missed; and a command that still runs is not started a second time, not even by another scheduler.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from jobs.metrics import log

BUSY = 75
"""EX_TEMPFAIL: a command that answers so could not do its work now, and is tried again."""

_SETTING = re.compile(r"""^\s*([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))\s*$""")
_ENTRY = re.compile(r"^\s*(@\w+|(?:\S+\s+){4}\S+)\s+(\S.*?)\s*$")
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class CrontabError(ValueError):
    """A line that cron would not take either."""


@dataclass(frozen=True)
class Entry:
    """One line of a crontab: when, what, and the settings above it.

    Parameters
    ----------
    schedule : str
        The five fields.
    command : str
        For the shell that ``SHELL`` names.
    environment : mapping
        What the lines above it set.
    """

    schedule: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return the name under which it is remembered: another time or command is another entry."""
        return hashlib.sha256(f"{self.schedule}\n{self.command}".encode()).hexdigest()[:16]

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last moment behind ``after`` and up to ``until`` at which it is due; None when there is none."""
        zone = ZoneInfo(self.environment.get("CRON_TZ", "UTC"))
        next_minute = until.replace(second=0, microsecond=0) + timedelta(minutes=1)
        moment = next(CronSim(self.schedule, next_minute.astimezone(zone), reverse=True))
        return moment.astimezone(UTC) if moment > after else None

    def following(self, after: datetime) -> datetime:
        """Return the first moment behind ``after`` at which it is due."""
        zone = ZoneInfo(self.environment.get("CRON_TZ", "UTC"))
        moment: datetime = next(CronSim(self.schedule, after.astimezone(zone)))
        return moment.astimezone(UTC)


def parse(text: str, settings: Mapping[str, str] | None = None) -> list[Entry]:
    """Read a crontab.

    Parameters
    ----------
    text : str
        What ``crontab -l`` would print.
    settings : mapping, optional
        Settings that win over those of the file, such as where the programs lie on this machine.

    Raises
    ------
    CrontabError
        A line is neither an entry, nor a setting, nor a comment; or it has a ``%``, which cron reads as a line's end.
    """
    environment: dict[str, str] = {}
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if setting := _SETTING.match(line):
            name, *values = setting.groups()
            environment[name] = next(value for value in values if value is not None)
            continue
        entry = _ENTRY.match(line)
        schedule = _NICKNAMES.get(entry[1], entry[1]) if entry else ""
        try:
            CronSim(schedule, datetime.now(UTC))
        except CronSimError as error:
            raise CrontabError(f"line {number} is no entry of a crontab ({error}): {line.strip()}") from error
        assert entry
        if "%" in entry[2]:
            raise CrontabError(f"line {number}: cron reads % as the end of the command: put it into a script")
        found.append(Entry(" ".join(schedule.split()), entry[2], {**environment, **(settings or {})}))
    return found


class Running(Protocol):
    """A command that was started."""

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""

    def stop(self) -> None:
        """Ask it and its children to end."""


class Started:
    """A command in a session of its own, so that its children can be told apart from ours."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask it and its children to end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)


def start(entry: Entry, lock: IO[str]) -> Running:
    """Start a command with cron's small environment; it holds the lock until it and all its children have ended."""
    kept = {
        name: os.environ[name] for name in ("HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "USER") if name in os.environ
    }
    shell = entry.environment.get("SHELL", "/bin/sh")
    process = subprocess.Popen(
        [shell, "-c", entry.command],
        env={**kept, **entry.environment},
        stdin=subprocess.DEVNULL,
        pass_fds=(lock.fileno(),),
        start_new_session=True,
    )
    return Started(process)


class Scheduler:
    """Runs what is due. It has no clock and no sleep of its own: `tick` is called with the time.

    Parameters
    ----------
    name : str
        Of the crontab, in the log.
    entries : list of Entry
    state : Path
        The folder that remembers what ran; one for each crontab.
    begin : callable
        Starts a command.
    """

    def __init__(
        self, name: str, entries: list[Entry], state: Path, begin: Callable[[Entry, IO[str]], Running] = start
    ) -> None:
        self.name, self.entries, self.state, self.begin = name, entries, state, begin
        self.running: dict[str, tuple[Running, IO[str], datetime]] = {}
        state.mkdir(parents=True, exist_ok=True)

    def tick(self, now: datetime) -> None:
        """Note what ended, and start what is due."""
        self._reap(now)
        for entry in self.entries:
            last = self._last(entry)
            if last is None:  # new in this crontab: what was before is nothing that it missed
                self._remember(entry, now)
            elif entry.key not in self.running and (moment := entry.latest(last, now)):
                self._start(entry, moment, now)

    def stop(self) -> None:
        """Ask all that runs to end; none of it counts as done."""
        for process, lock, _ in self.running.values():
            process.stop()
            lock.close()
        self.running.clear()

    def wake(self, now: datetime) -> datetime:
        """Return when `tick` has something to do next, as far as the clock tells."""
        return min((entry.following(now) for entry in self.entries), default=now)

    def status(self, now: datetime) -> list[dict[str, str | bool | None]]:
        """Return each entry with the last moment that is dealt with and the next one."""
        return [
            {
                "command": entry.command,
                "last": last.isoformat() if (last := self._last(entry)) else None,
                "next": entry.following(now).isoformat(),
                "running": entry.key in self.running,
            }
            for entry in self.entries
        ]

    def _start(self, entry: Entry, moment: datetime, now: datetime) -> None:
        lock = open(self.state / f"{entry.key}.lock", "a")  # noqa: SIM115  # held as long as the command runs
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # one of a scheduler that died, or of another: it is tried at the next tick
            lock.close()
            return
        late = int((now - moment).total_seconds())
        log("info", "started", crontab=self.name, command=entry.command, due=moment, late_s=late)
        self.running[entry.key] = (self.begin(entry, lock), lock, moment)

    def _reap(self, now: datetime) -> None:
        commands = {entry.key: entry for entry in self.entries}
        for key, (process, lock, moment) in list(self.running.items()):
            code = process.poll()
            if code is None:
                continue
            lock.close()
            del self.running[key]
            command = commands[key].command if key in commands else key
            log("info" if code == 0 else "error", "ended", crontab=self.name, command=command, due=moment, exit=code)
            # Remembered at the end, not at the start: who is killed in between does it again, which a job must stand.
            if code != BUSY and key in commands:
                self._remember(commands[key], moment)

    def _last(self, entry: Entry) -> datetime | None:
        try:
            return datetime.fromisoformat(json.loads((self.state / f"{entry.key}.json").read_text())["last"])
        except FileNotFoundError:
            return None

    def _remember(self, entry: Entry, moment: datetime) -> None:
        path = self.state / f"{entry.key}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"command": entry.command, "last": moment.isoformat()}))
        fresh.replace(path)
