"""What the batch layer has to do, and what it knows of the speed layer: by offsets and watermarks alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quasar.archive import EVENT, MALFORMED, Archive, Archived
from quasar.batch import SpeedBatch, plan, seen
from quasar.generate import KINDS, TOO_LARGE

HOME = Path(__file__).resolve().parents[1]
Rows = list[tuple[Any, ...]]


class Store:
    """Answers the queries of the plan by the table that they name."""

    def __init__(self, batches: Rows = (), manifests: Rows = (), files: Rows = (), pending: Rows = ()) -> None:  # type: ignore[assignment]
        self.tables = {"speed_batches": batches, "batch_manifests": manifests, "batch_files": files, "pending": pending}

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        (name,) = [name for name in self.tables if name in query]
        return list(self.tables[name])


class S3:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.objects[Key] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        from io import BytesIO

        return {"Body": BytesIO(self.objects[Key])}

    def get_paginator(self, _: str) -> Any:
        found = self.objects

        class Pages:
            def paginate(self, Bucket: str, Prefix: str) -> Any:
                yield {"Contents": [{"Key": key} for key in sorted(found) if key.startswith(Prefix)]}

        return Pages()


def batch(number: int, starts: dict[str, int], ends: dict[str, int], late: int, generation: int = 1) -> tuple[Any, ...]:
    return (generation, number, starts, ends, late)


FIRST = batch(0, {}, {"0": 10, "1": 5}, 0)
SECOND = batch(1, {"0": 10, "1": 5}, {"0": 30, "1": 5}, 1000)
THIRD = batch(2, {"0": 30, "1": 5}, {"0": 40, "1": 9}, 2000)


def test_a_speed_layer_that_never_ran_has_seen_nothing() -> None:
    found = seen(Store(), {0: 100})  # type: ignore[arg-type]
    assert (found.ends, found.late_before, found.batches) == ({}, 0, ())


def test_each_batch_says_which_offsets_it_took_and_before_when_it_dropped() -> None:
    found = seen(Store([FIRST, SECOND]), {0: 30, 1: 5})  # type: ignore[arg-type]
    assert found.batches == [SpeedBatch(0, 0, 10, 0), SpeedBatch(1, 0, 5, 0), SpeedBatch(0, 10, 30, 1000)]
    assert (found.ends, found.late_before) == ({0: 30, 1: 5}, 1000)


def test_a_batch_whose_messages_are_not_all_archived_does_not_count_but_its_watermark_is_known() -> None:
    found = seen(Store([FIRST, SECOND, THIRD]), {0: 39, 1: 9})  # type: ignore[arg-type]
    assert found.ends == {0: 30, 1: 5}
    assert found.late_before == 2000, "what it takes beyond, it drops by the watermark that it began with"


def test_what_a_newer_stream_read_again_is_as_the_newer_one_made_of_it() -> None:
    again = batch(0, {"0": 8}, {"0": 30, "1": 5}, 77, generation=2)
    found = seen(Store([FIRST, SECOND, again]), {0: 30, 1: 5})  # type: ignore[arg-type]
    assert SpeedBatch(0, 8, 30, 77) in found.batches and SpeedBatch(1, 0, 5, 77) in found.batches
    older = [each for each in found.batches if each.late_before != 77]
    assert older == [SpeedBatch(0, 0, 8, 0)], "only what the newer one has not read"


@pytest.fixture
def archive() -> Archive:
    """An archive with two manifests, the second about an earlier day too."""
    made = Archive(S3(), "bucket")
    for number, days in ((0, ["2026-11-30"]), (1, ["2026-11-29", "2026-11-30"])):
        files = [Archived(f"archive/c/data/{number}/{day}.parquet", EVENT, day) for day in days]
        files.append(Archived(f"archive/c/data/{number}/bad.parquet", MALFORMED, "2026-11-30"))
        from quasar.store import Batch

        made.commit(Batch("c", number, {0: 10 * number}, {0: 10 * number + 10}, 0), files)
    return made


def test_only_the_days_that_new_files_are_about_are_worked_out_from_all_of_their_files(archive: Archive) -> None:
    taken = "archive/c/manifests/000000000000.json"
    files = [(each.key, each.verdict, each.day) for each in archive.read(taken)[0]]
    work = plan(Store(manifests=[(taken, {"0": 10})], files=files), archive)  # type: ignore[arg-type]
    assert list(work.manifests) == ["archive/c/manifests/000000000001.json"]
    assert {day: len(keys) for day, keys in work.days[EVENT].items()} == {"2026-11-29": 1, "2026-11-30": 2}
    assert {day: len(keys) for day, keys in work.days[MALFORMED].items()} == {"2026-11-30": 2}


def test_without_news_there_is_nothing_to_do_but_what_is_asked_for_or_waits(archive: Archive) -> None:
    taken = [(key, {"0": 20}) for key in archive.manifests()]
    files = [(each.key, each.verdict, each.day) for key, _ in taken for each in archive.read(key)[0]]
    store = Store(manifests=taken, files=files)
    assert plan(store, archive).days == {EVENT: {}, MALFORMED: {}}  # type: ignore[arg-type]
    assert list(plan(store, archive, ["2026-11-29"]).days[EVENT]) == ["2026-11-29"]  # type: ignore[arg-type]
    waiting = Store(manifests=taken, files=files, pending=[("2026-11-30",)])
    assert list(plan(waiting, archive).days[EVENT]) == ["2026-11-30"]  # type: ignore[arg-type]


def test_what_no_manifest_names_has_not_happened(archive: Archive) -> None:
    archive._s3.put_object("bucket", "archive/c/data/000000000002/verdict=event/day=2026-11-28/x.parquet", b"")
    assert plan(Store(), archive).days[EVENT].keys() == {"2026-11-29", "2026-11-30"}  # type: ignore[arg-type]


def test_the_rules_of_the_readers_are_those_of_the_schema() -> None:
    schema = json.loads((HOME / "schemas" / "telemetry.json").read_text())["properties"]
    code = (HOME / "src" / "quasar" / "events.py").read_text().replace("_", "").replace("\\\\", "\\")
    for name, rule in schema.items():
        for keyword in ("minimum", "maximum", "pattern"):
            if keyword in rule:
                assert str(rule[keyword]).replace("_", "") in code, (name, keyword)
    assert schema["kind"]["enum"] == list(KINDS)
    assert TOO_LARGE == 4096 and datetime.fromtimestamp(schema["sent_at"]["minimum"] / 1000, UTC).year == 2020
