"""The journal: what it says has happened, and a line that was cut off has not."""

from __future__ import annotations

from pathlib import Path

import pytest
from quasar.generate import Plan
from quasar.journal import Journal, JournalError, read

PLAN = Plan(seed=1, base_ms=1_764_500_000_000)


def test_a_journal_goes_on_where_it_was_left(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    first = Journal(file, PLAN, "telemetry")
    first.acknowledge(100, {0: 60, 1: 40})
    first.close()
    second = Journal(file, Plan(seed=2, base_ms=5), "telemetry")
    assert (second.plan, second.sent, second.ends) == (PLAN, 100, {0: 60, 1: 40}), "the file's own plan stays"
    second.close()
    assert read(file) == (PLAN, 100, False)


def test_a_line_that_was_cut_off_has_not_happened_and_the_next_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    Journal(file, PLAN, "telemetry").acknowledge(100, {0: 100})
    with open(file, "ab") as end:
        end.write(b'{"sent":200,"en')
    again = Journal(file, PLAN, "telemetry")
    assert again.sent == 100
    again.acknowledge(150, {0: 150})
    assert read(file)[1] == 150


def test_two_can_not_write_at_once(tmp_path: Path) -> None:
    held = Journal(tmp_path / "journal", PLAN, "telemetry")
    with pytest.raises(JournalError, match="another simulator writes"):
        Journal(tmp_path / "journal", PLAN, "telemetry")
    held.close()


def test_a_journal_of_another_topic_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", PLAN, "telemetry").close()
    with pytest.raises(JournalError, match="is about the topic telemetry, not other"):
        Journal(tmp_path / "journal", PLAN, "other")
    (tmp_path / "none").write_text("hello\n")
    with pytest.raises(JournalError, match="is not a journal"):
        read(tmp_path / "none")


def test_once_there_are_others_messages_the_journal_says_so_for_good(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", PLAN, "telemetry")
    journal.acknowledge(0, {0: 5}, mixed=True)
    journal.acknowledge(10, {0: 15})
    assert read(tmp_path / "journal") == (PLAN, 10, True)
