"""What the batch layer has to do, and what it knows of the speed layer: by offsets and watermarks alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quasar.archive import EVENT, MALFORMED, Archive, Archived, ArchiveError
from quasar.batch import ARCHIVED, BEGINS, SEEN, WAITING, SpeedBatch, plan, seen, write_once
from quasar.generate import KINDS, TOO_LARGE
from quasar.store import Batch

HOME = Path(__file__).resolve().parents[1]


class Rows(list[tuple[Any, ...]]):
    """What a query gives."""

    def fetchone(self) -> tuple[Any, ...]:
        return self[0]


class Store:
    """Answers the queries of the plan by the table that they name."""

    def __init__(self, batches: Any = (), manifests: Any = (), files: Any = (), pending: Any = ()) -> None:
        self.batches, self.manifests, self.files, self.pending = batches, manifests, files, pending

    def execute(self, query: str, parameters: Any = ()) -> Any:
        if query == SEEN:
            return list(self.batches)
        if query == WAITING:
            return list(self.pending)
        if query == ARCHIVED:
            ends = [(each, end) for _, ends in self.manifests for each, end in ends.items()]
            return [
                (each, max(end for other, end in ends if other == each)) for each in sorted({each for each, _ in ends})
            ]
        if query == BEGINS:
            return [("0", 0)] if self.files else []
        if "count(*)" in query:
            return Rows([(len(self.manifests),)])
        if "FROM quasar.batch_manifests" in query:
            return [row for row in self.manifests if row[0] in parameters[0]]
        verdict, days = parameters
        return [(file, day) for file, kind, day in self.files if kind == verdict and day in days]


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
            def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "", StartAfter: str = "") -> Any:
                keys = [key for key in sorted(found) if key.startswith(Prefix) and key > StartAfter]
                if not Delimiter:
                    yield {"Contents": [{"Key": key} for key in keys]}
                    return
                heads = {Prefix + key.removeprefix(Prefix).partition(Delimiter)[0] + Delimiter for key in keys}
                yield {"CommonPrefixes": [{"Prefix": head} for head in sorted(heads)]}

        return Pages()


def batch(number: int, starts: dict[str, int], ends: dict[str, int], late: int, generation: int = 1) -> tuple[Any, ...]:
    return (generation, number, starts, ends, late)


FIRST = batch(0, {}, {"0": 10, "1": 5}, 0)
SECOND = batch(1, {"0": 10, "1": 5}, {"0": 30, "1": 5}, 1000)
THIRD = batch(2, {"0": 30, "1": 5}, {"0": 40, "1": 9}, 2000)


def planned(store: Any, archive: Archive, again: Any = ()) -> Any:
    return plan(store, archive, {key: archive.read(key) for key in archive.manifests({})}, again)


def test_neighbours_with_one_watermark_are_one() -> None:
    more = batch(2, {"0": 30, "1": 5}, {"0": 40, "1": 5}, 1000)
    found = seen(Store([FIRST, SECOND, more]), {0: 40, 1: 5}, {})
    assert SpeedBatch(0, 10, 40, 1000) in found.batches and len(found.batches) == 3


class Written:
    """A store in which some manifests are taken."""

    def __init__(self, taken: int, mine: int) -> None:
        self.answers, self.deleted = [(taken,), (mine,)], False

    def execute(self, query: str, parameters: Any = ()) -> Any:
        if query.startswith("SELECT count"):
            return Rows([self.answers.pop(0)])
        assert query.startswith("LOCK"), "nothing is written"
        return Rows()


def test_what_another_run_took_meanwhile_is_not_overwritten_and_a_commit_whose_answer_was_lost_is_one(
    archive: Archive,
) -> None:
    work = planned(Store(), archive)
    assert len(work.manifests) == 2 and work.taken == 0
    assert write_once(Written(taken=2, mine=2), work, [], []), "all of it is there, and nothing else came"  # type: ignore[arg-type]
    assert not write_once(Written(taken=3, mine=2), work, [], []), "more than that is"  # type: ignore[arg-type]
    assert not write_once(Written(taken=1, mine=0), work, [], []), "another run took something"  # type: ignore[arg-type]


def test_only_manifests_after_the_newest_that_is_known_are_listed(archive: Archive) -> None:
    assert archive.manifests({"c": "archive/c/manifests/000000000000.json"}) == [
        "archive/c/manifests/000000000001.json"
    ]
    assert len(archive.manifests({"another": "archive/another/manifests/000000000009.json"})) == 2


def test_a_batch_of_a_checkpoint_that_was_changed_by_hand_is_told_from_a_repeated_one(archive: Archive) -> None:
    assert archive.has(Batch("c", 1, {0: 10}, {0: 20}, 0)) and not archive.has(Batch("c", 2, {0: 20}, {0: 30}, 0))
    with pytest.raises(ArchiveError, match="begin with a new checkpoint"):
        archive.has(Batch("c", 1, {0: 10}, {0: 25}, 0))


def test_a_speed_layer_that_never_ran_has_seen_nothing() -> None:
    found = seen(Store(), {0: 100}, {})  # type: ignore[arg-type]
    assert (found.ends, found.late_before, found.batches) == ({}, 0, ())


def test_each_batch_says_which_offsets_it_took_and_before_when_it_dropped() -> None:
    found = seen(Store([FIRST, SECOND]), {0: 30, 1: 5}, {})  # type: ignore[arg-type]
    assert found.batches == [SpeedBatch(0, 0, 10, 0), SpeedBatch(0, 10, 30, 1000), SpeedBatch(1, 0, 5, 0)]
    assert (found.ends, found.late_before) == ({0: 30, 1: 5}, 1000)


def test_a_batch_whose_messages_are_not_all_archived_does_not_count_but_its_watermark_is_known() -> None:
    found = seen(Store([FIRST, SECOND, THIRD]), {0: 39, 1: 9}, {})  # type: ignore[arg-type]
    assert found.ends == {0: 30, 1: 5}
    assert found.late_before == 2000, "what it takes beyond, it drops by the watermark that it began with"


def test_what_a_newer_stream_read_again_is_as_the_newer_one_made_of_it() -> None:
    again = batch(0, {"0": 8}, {"0": 30, "1": 5}, 77, generation=2)
    found = seen(Store([FIRST, SECOND, again]), {0: 30, 1: 5}, {})  # type: ignore[arg-type]
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
        made.commit(Batch("c", number, {0: 10 * number}, {0: 10 * number + 10}, 0), files)
    return made


def test_only_the_days_that_new_files_are_about_are_worked_out_from_all_of_their_files(archive: Archive) -> None:
    taken = "archive/c/manifests/000000000000.json"
    files = [(each.key, each.verdict, each.day) for each in archive.read(taken).files]
    work = planned(Store(manifests=[(taken, {"0": 10})], files=files), archive)  # type: ignore[arg-type]
    assert list(work.manifests) == ["archive/c/manifests/000000000001.json"]
    assert {day: len(keys) for day, keys in work.days[EVENT].items()} == {"2026-11-29": 1, "2026-11-30": 2}
    assert {day: len(keys) for day, keys in work.days[MALFORMED].items()} == {"2026-11-30": 2}


def test_without_news_there_is_nothing_to_do_but_what_is_asked_for_or_waits(archive: Archive) -> None:
    taken = [(key, {"0": 20}) for key in archive.manifests({})]
    files = [(each.key, each.verdict, each.day) for key, _ in taken for each in archive.read(key).files]
    store = Store(manifests=taken, files=files)
    assert planned(store, archive).days == {EVENT: {}, MALFORMED: {}}  # type: ignore[arg-type]
    assert list(planned(store, archive, ["2026-11-29"]).days[EVENT]) == ["2026-11-29"]  # type: ignore[arg-type]
    waiting = Store(manifests=taken, files=files, pending=[("2026-11-30",)])
    assert list(planned(waiting, archive).days[EVENT]) == ["2026-11-30"]  # type: ignore[arg-type]


def test_what_no_manifest_names_has_not_happened(archive: Archive) -> None:
    archive._s3.put_object("bucket", "archive/c/data/000000000002/verdict=event/day=2026-11-28/x.parquet", b"")
    assert planned(Store(), archive).days[EVENT].keys() == {"2026-11-29", "2026-11-30"}  # type: ignore[arg-type]


def test_the_rules_of_the_readers_are_those_of_the_schema() -> None:
    schema = json.loads((HOME / "schemas" / "telemetry.json").read_text())["properties"]
    code = (HOME / "src" / "quasar" / "events.py").read_text().replace("_", "").replace("\\\\", "\\")
    for name, rule in schema.items():
        for keyword in ("minimum", "maximum", "pattern"):
            if keyword in rule:
                assert str(rule[keyword]).replace("_", "") in code, (name, keyword)
    assert schema["kind"]["enum"] == list(KINDS)
    assert TOO_LARGE == 4096 and datetime.fromtimestamp(schema["sent_at"]["minimum"] / 1000, UTC).year == 2020
