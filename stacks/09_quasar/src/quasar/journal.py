"""How far the simulator came: an append-only file, on the disk before an acknowledgement counts.

Its first line is the plan; each later one says how many slots are acknowledged, and where each partition ends after
them. The content of slots is not kept: it follows from the plan. Once somebody's own messages go into the topic, a
line says so: from then on the plan does not tell all that is in it.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from quasar.generate import Plan


class JournalError(Exception):
    """The journal can't be used; the message says why."""


class Journal:
    """A journal that this process alone writes.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    plan : Plan
        What is sent, where the file is new; an old file's own plan stays.
    topic : str
        Where it is sent.

    Raises
    ------
    JournalError
        Another process writes it, it is about another topic, or it is none.
    """

    def __init__(self, path: Path, plan: Plan, topic: str) -> None:
        self._file: IO[bytes] = open(path, "a+b")  # noqa: SIM115  # closed by `close`: its lock is held till then
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"another simulator writes {path}") from None
        lines = read_lines(path)
        whole = sum(len(line) + 1 for line in path.read_bytes().split(b"\n")[:-1])
        self._file.truncate(whole)  # a line that was cut off has not happened
        self.sent, self.mixed = 0, False
        self.ends: dict[int, int] = {}
        if not lines:
            self._append({"plan": plan.as_dict(), "topic": topic})
            self.plan = plan
            return
        self.plan = Plan(**lines[0]["plan"])
        if lines[0]["topic"] != topic:
            raise JournalError(f"{path} is about the topic {lines[0]['topic']}, not {topic}")
        for line in lines[1:]:
            self.sent = line["sent"]
            self.ends = {int(partition): end for partition, end in line["ends"].items()}
            self.mixed = self.mixed or line.get("mixed", False)

    def acknowledge(self, sent: int, ends: dict[int, int], *, mixed: bool = False) -> None:
        """Write down that all slots before one are in the topic.

        Parameters
        ----------
        sent : int
            How many slots.
        ends : dict
            For each partition the offset after the last of them.
        mixed : bool
            From here on there are others' messages too.
        """
        self._append({"sent": sent, "ends": ends, **({"mixed": True} if mixed else {})})
        self.sent, self.ends, self.mixed = sent, dict(ends), self.mixed or mixed

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal.

    Raises
    ------
    JournalError
        A line is not one of a journal's.
    """
    try:
        lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
        if lines and "plan" not in lines[0]:
            raise ValueError("no plan")
    except ValueError as error:
        raise JournalError(f"{path} is not a journal: {error}") from None
    return lines


def read(path: Path) -> tuple[Plan, int, bool]:
    """Return the plan, how many slots are acknowledged, and whether there are others' messages beside them.

    Raises
    ------
    JournalError
        It is no journal, or an empty one.
    """
    lines = read_lines(path)
    if not lines:
        raise JournalError(f"{path} is empty")
    sent = max((line["sent"] for line in lines[1:]), default=0)
    return Plan(**lines[0]["plan"]), sent, any(line.get("mixed") for line in lines[1:])
