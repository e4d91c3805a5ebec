"""Whatever a connector says, twice or in pieces: what is visible is the state after a transaction, and each version is kept."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from infra import envs
from infra.paths import ROOT

from .conftest import HOME

pytestmark = pytest.mark.e2e
RUNS = str(HOME / "tests" / "merge_runs.py")
MISTAKES = {
    "first state": ("order by changes.tx_order desc", "order by changes.tx_order"),
    "half transaction": ("or coalesce(arrived.events, 0) < parts.events then", "then"),
    "half snapshot": ("and lacking.tables_lacking = 0 as", "as"),
    "taken twice": ("where known.kafka_offset is null\nqualify", "where true\nqualify"),
    "wrong end": ("lead(position)", "max(position)"),
    "version of nothing": ("and to_json(known.image) = to_json(known.image_before)", "and false"),
    "ended again": ("and versions.valid_to is null", ""),
    "version of a deletion": ("from ordered\nwhere op <> 'd'", "from ordered"),
    "earlier state": ("row_key order by position desc", "row_key order by position"),
    "not until": ("and transactions.position <= plan.until\n    qualify", "qualify"),
    "read again, and older": ("and changes.position > coalesce(known.position, -1)", ""),
    "nothing is forgotten": ("delete from nova_core.batch", "delete from nova_core.batch where false"),
}


MISHAPS = {
    "broken_off_at_the_end": ("changes.sent_ms >= snapshot.since_ms", "true"),
    "broken_off_and_nothing_changed": (
        "and coalesce(arrived.full_ms, 0) = case when known.kind = 'full' then known.sent_ms else 0 end",
        "",
    ),
    "restored": ("or sent_ms < (select since_ms from nova_core.plan where kind = 'snapshot')", ""),
    "one_table_is_read": ("or (told.kafka_offset is null and known.source_table is not null)", ""),
    "read_again_late": ("and changes.position <= plan.until)", "and changes.position <= progress.position)"),
    "a_table_is_truncated": ("+ record:source:pos::number(19, 0)\n            )\n        end,", ")\n        end,"),
    "an_end_is_a_dead_letter": ("transactions.tx like 'dead letter %' or", ""),
}
"""What goes wrong at the source, and the mistake in the statements that it would show."""


def lives(wanted: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Let shops live in a warehouse in memory; return what was wrong with each."""
    done = subprocess.run(
        [str(envs.ensure("snowflake")), "-W", "ignore", RUNS],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HOME / "src")]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        input="".join(json.dumps(each) + "\n" for each in wanted),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.seeds(2)
def test_a_shops_life_is_merged_as_it_was(seed: int) -> None:
    for answer in lives([(seed, "mysql"), (seed, "postgresql")]):
        assert answer["wrong"] == "" and answer["merges"] > 1


def test_a_mistake_in_the_statements_is_noticed() -> None:
    answers = lives([(9, "mysql", *each) for each in MISTAKES.values()])
    passed = [name for name, each in zip(MISTAKES, answers, strict=True) if not each["wrong"].startswith("wrong:")]
    assert not passed


@pytest.mark.parametrize("source", ["mysql", "postgresql"])
def test_what_goes_wrong_at_the_source_ends_well_or_waits(source: str) -> None:
    answers = lives([(name, source) for name in MISHAPS])
    assert {name: each["wrong"] for name, each in zip(MISHAPS, answers, strict=True)} == dict.fromkeys(MISHAPS, "")


def test_a_mistake_is_noticed_when_something_goes_wrong_at_the_source() -> None:
    answers = lives([(name, "mysql", *mistake) for name, mistake in MISHAPS.items() if mistake])
    assert [each["wrong"] for each in answers if not each["wrong"].startswith("wrong:")] == []
