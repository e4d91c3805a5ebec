"""What batch stacks share, where it is not seen in any stack's own tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import stack, targets
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.exercises import checked
from infra.live import Live
from infra.output import Ui

CODE = """
from infra.batch import BatchStack


class Quasar(BatchStack):
    def build(self):
        self.ground("All.")
"""


@pytest.fixture
def made(plant: Callable[..., StackInfo], tmp_path: Path) -> Any:
    target = targets.local(
        {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}, {"us-east-1": "http://127.0.0.1:1"}
    )
    instance, _ = stack.create(plant("70_quasar", CODE), target, tmp_path)
    return instance


def run(made: Any, program: str) -> list[dict[str, Any]]:
    return list(made.run_task(Live(made.target, {}, Ui()), [sys.executable, "-c", program], {}, "working"))


def test_the_events_of_a_task_are_read_from_all_that_it_says(made: Any) -> None:
    said = 'print("starting"); print(\'{"event": "one", "level": "info"}\'); print("{no json}"); print(\'{"a": 1}\')'
    assert [line["event"] for line in run(made, said)] == ["one"]


def test_a_task_that_is_killed_in_the_middle_of_a_line_has_failed(made: Any) -> None:
    said = 'import os; os.write(1, b\'{"event": "half\'); os.kill(os.getpid(), 9)'
    with pytest.raises(OrreryError, match="the task failed with -9"):
        run(made, said)


def test_a_task_that_fails_is_told_by_its_own_error(made: Any) -> None:
    said = 'print(\'{"level": "error", "event": "failed", "error": "no such table"}\'); raise SystemExit(3)'
    with pytest.raises(OrreryError, match="the task failed with 3: no such table") as failed:
        run(made, said)
    assert "run it again" in failed.value.next_step


def test_on_aws_this_machine_answers_for_nobody(made: Any) -> None:
    made.target = targets.offline()
    with pytest.raises(OrreryError, match="is asked on the local cloud only"):
        run(made, "print(1)")


def test_a_database_that_does_not_answer_says_nothing_about_an_exercise() -> None:
    def ask(query: str) -> list[tuple[Any, ...]]:
        raise OrreryError("the database olap does not answer", next_step="make status")

    with pytest.raises(OrreryError, match="does not answer"):
        list(checked([("one", "select 1", "")], ask))
