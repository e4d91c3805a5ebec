"""What happened in a drill: every call of every client and every event, in the order in which they ended."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Call:
    """One call of a client, retries included.

    Parameters
    ----------
    at : float
        When it should have begun, in seconds since the epoch: a client that was kept waiting counts the wait.
    took_s : float
        Until its answer, or until the client gave up.
    client, home : str
        Who, and the region that is nearest to it.
    path : str
        ``api`` or ``data``: through the public API, or straight at the data plane.
    action : str
        ``write`` or ``read``.
    key : str
        What was written or read.
    seq : int
        What was written: a client counts its writes of a key. Of a read: what was read, -1 for nothing.
    region : str
        Which region answered last.
    ok : bool
        Whether it was acknowledged.
    status : str
        ``ok``, or why not.
    tries : int
        How many requests it took.
    """

    at: float
    took_s: float
    client: str
    home: str
    path: str
    action: str
    key: str
    seq: int
    region: str
    ok: bool
    status: str
    tries: int = 1

    @property
    def end(self) -> float:
        """When it ended."""
        return self.at + self.took_s


@dataclass(frozen=True)
class Event:
    """Something that happened beside the calls: a fault begins or ends, a health check changes its mind."""

    at: float
    what: str
    region: str = ""


class Journal:
    """Keeps calls and events, and writes each to a file at once: a killed drill leaves what it saw.

    Parameters
    ----------
    file : Path
        One JSON document per line.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.calls: list[Call] = []
        self.events: list[Event] = []
        self._file = file.open("w")
        self._lock = threading.Lock()

    def call(self, one: Call) -> None:
        """Note a call that ended."""
        with self._lock:
            self.calls.append(one)
            self._write({"call": asdict(one)})

    def event(self, what: str, region: str = "") -> None:
        """Note something that happens now."""
        with self._lock:
            self.events.append(Event(time.time(), what, region))
            self._write({"event": asdict(self.events[-1])})

    def close(self) -> None:
        """Write what is still buffered."""
        with self._lock:
            self._file.close()

    def _write(self, document: Any) -> None:
        if not self._file.closed:  # a call that ends after the drill is counted by nobody
            self._file.write(json.dumps(document) + "\n")


def read(file: Path) -> tuple[list[Call], list[Event]]:
    """Return what a journal's file holds; a last line that a killed drill cut short is left out."""
    calls, events = [], []
    for document in _lines(file):
        if "call" in document:
            calls.append(Call(**document["call"]))
        else:
            events.append(Event(**document["event"]))
    return calls, events


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return
