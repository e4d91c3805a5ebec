"""What can't be used is kept as it was, and tells where it came from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jobs.dead_letters import LONGEST, MESSAGE, PREFIX, DeadLetter


class Consumed:
    """A message as a consumer gives it."""

    def __init__(self, **produced: Any) -> None:
        self.produced = produced

    def key(self) -> bytes | None:
        return self.produced["key"]  # type: ignore[no-any-return]

    def value(self) -> bytes | None:
        return self.produced["value"]  # type: ignore[no-any-return]

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self.produced["headers"]  # type: ignore[no-any-return]

    def topic(self) -> str:
        return "telemetry.dead-letters"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 5


@given(some.none() | some.binary(), some.none() | some.binary(), some.text(max_size=LONGEST))
def test_nothing_of_a_message_is_lost(key: bytes | None, value: bytes | None, said: str) -> None:
    letter = DeadLetter("telemetry", 3, 41, "not_json", said.encode("utf-8", "replace").decode(), key, value)
    assert DeadLetter.consumed(Consumed(**letter.produced())) == letter
    assert letter.place == ("telemetry", 3, 41)


def test_a_long_explanation_is_cut_so_that_the_message_still_fits() -> None:
    letter = DeadLetter("telemetry", 0, 0, "too_large", "x" * 100_000, None, b"")
    assert dict(letter.produced()["headers"])[MESSAGE] == b"x" * LONGEST


@pytest.mark.parametrize("change", [None, [], {PREFIX + "offset": b"x"}, {PREFIX + "topic": None}])
def test_another_message_is_told_from_a_dead_letter(change: Any) -> None:
    produced = DeadLetter("telemetry", 3, 41, "not_json", "", b"", b"").produced()
    headers = change if not isinstance(change, dict) else [*{**dict(produced["headers"]), **change}.items()]
    with pytest.raises(ValueError, match=r"telemetry\.dead-letters 0:5 is no dead letter"):
        DeadLetter.consumed(Consumed(**{**produced, "headers": headers}))
