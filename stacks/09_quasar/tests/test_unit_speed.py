"""The loop that looks after the streams: which failure ends it, and that each stream has a patience of its own."""

from __future__ import annotations

from typing import Any

import pytest
from quasar import speed


class Query:
    def __init__(self, active: bool) -> None:
        self.isActive, self.status, self.recentProgress = active, {"isTriggerActive": False}, []

    def exception(self) -> Exception:
        return RuntimeError("it fails each time")

    def stop(self) -> None:
        self.isActive = False


class Stream(speed.Stream):
    """A stream that fails, or works, each time that it is started."""

    def __init__(self, name: str, works: bool) -> None:
        self.name, self.works, self.starts = name, works, 0
        self.query: Any = None
        self.failing_since, self.told = None, -1

    def start(self) -> None:
        self.query, self.starts = Query(self.works), self.starts + 1


class Clock:
    """A stop that never comes, and a time that goes on with each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def wait(self, _: float) -> bool:
        self.now += self.step
        return self.now > 10_000

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The loop over two streams: one works all the time, the other fails all the time."""

    def made(step: float) -> Any:
        loop, clock = object.__new__(speed.Speed), Clock(step)
        loop.streams = [Stream("archive", False), Stream("windows", True)]
        loop.stopping = clock  # type: ignore[assignment]
        loop._store = type("Store", (), {"close": lambda self: None})()
        monkeypatch.setattr(loop, "_tell", lambda stream: stream.works)
        monkeypatch.setattr(speed.time, "monotonic", clock.monotonic)
        return loop

    return made


def test_a_stream_that_fails_for_ever_ends_the_process_though_the_other_works(supervised: Any) -> None:
    loop = supervised(1.0)
    with pytest.raises(RuntimeError, match="it fails each time"):
        loop.run()
    assert 600 <= loop.stopping.now < 700
    assert loop.streams[0].starts > 100 and loop.streams[1].starts == 1


def test_the_first_failure_after_a_quiet_hour_is_no_reason_to_end(supervised: Any) -> None:
    loop = supervised(1.0)
    loop.stopping.now = 3600.0
    with pytest.raises(RuntimeError):
        loop.run(until_caught_up=False)
    assert loop.streams[0].starts > 100


def test_what_a_failed_start_left_can_be_stopped(supervised: Any) -> None:
    loop = supervised(1.0)

    def fails() -> None:
        raise ValueError("the cause")

    loop.streams[0].start = fails
    with pytest.raises(ValueError, match="the cause"):
        loop.run()
