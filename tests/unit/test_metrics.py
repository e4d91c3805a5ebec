"""Lines of a log and of metrics are whole, whoever else writes at that moment."""

from __future__ import annotations

import io
import json
import threading

from jobs.metrics import emit, log


def test_lines_of_several_threads_are_whole() -> None:
    stream = Slow()
    threads = [threading.Thread(target=log, args=("info", "e" * 50), kwargs={"stream": stream}) for _ in range(4)]
    threads += [threading.Thread(target=emit, args=("N", {"d": "v"}, {"m": 1}), kwargs={"stream": stream})]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    lines = stream.getvalue().splitlines()
    assert len([json.loads(line) for line in lines]) == 5


class Slow(io.StringIO):
    """A stream at which another thread gets its turn after each write."""

    def write(self, text: str) -> int:
        written = super().write(text)
        turn.wait(0.01)
        return written


turn = threading.Event()
