"""The task takes what nobody took yet; the dashboard draws what the marts answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from nebula import dashboard, task

from infra.dashboard import draw

HEADER = b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
LINE = b"536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"


class Bucket:
    """As much of S3 as the task asks for; each object is a minute younger than the one before."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.copied: list[str] = []

    def get_paginator(self, operation: str) -> Bucket:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        yield {
            "Contents": [
                {
                    "Key": key,
                    "ETag": '"e"',
                    "Size": len(body),
                    "LastModified": datetime(2024, 1, 1, 0, minute, tzinfo=UTC),
                }
                for minute, (key, body) in enumerate(self.objects.items())
                if key.startswith(Prefix)
            ]
        }

    def download_file(self, bucket: str, key: str, path: str) -> None:
        Path(path).write_bytes(self.objects[key])

    def copy(self, source: Mapping[str, str], bucket: str, key: str, ExtraArgs: Mapping[str, str]) -> None:
        self.copied.append(key)


def test_what_is_marked_is_not_taken_again_and_the_oldest_comes_first() -> None:
    objects = {"incoming/b.csv": b"", "incoming/x/a.csv": b"", "incoming/done.csv": b"", "taken/done.csv/e.json": b""}
    assert [each.key for each in task.waiting(Bucket(objects), "b")] == ["incoming/b.csv", "incoming/x/a.csv"]


def test_new_content_under_an_old_name_waits_again() -> None:
    objects = {"incoming/a.csv": b"", "taken/a.csv/another-etag.json": b""}
    assert [each.key for each in task.waiting(Bucket(objects), "b")] == ["incoming/a.csv"]


def test_a_refused_file_is_put_aside_and_the_others_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = Bucket({"incoming/bad.csv": HEADER.replace(b",", b";"), "incoming/good.csv": HEADER + LINE})
    good, refused = task.fetch(bucket, task.waiting(bucket, "b"), tmp_path)
    assert [path.name for path in good] == ["good.csv"] and all(path.exists() for path in good)
    assert [each.key for each in refused] == ["incoming/bad.csv"]
    assert [key.rpartition("/")[2] for key in bucket.copied] == ["bad.csv"]
    assert '"event": "refused"' in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.rglob("*.csv")) == ["good.csv"], "nothing else is left to be loaded"


def test_a_wrong_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert task.main([]) == 64 and task.main(["load"]) == 64
    assert "usage: python -m nebula.task run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("last", "title"),
    [(date(2024, 1, 20), "Revenue by day and category"), (date(2024, 6, 1), "Revenue by month and category")],
)
def test_the_dashboard_can_be_drawn_at_either_scale(last: date, title: str) -> None:
    answers: dict[str, list[tuple[Any, ...]]] = {
        dashboard.SPAN: [(date(2024, 1, 1), last)],
        dashboard.TOTALS: [(3, 15.3, 4, 3, 5, 4)],
    }

    def ask(query: str) -> list[tuple[Any, ...]]:
        if query in answers:
            return answers[query]
        if "count(hours)" in query:
            return [("1 paid", 9, 0.1, 0.2, 0.3)]
        return [("2024-01-01", "garden", 7)] if "GROUP BY" in query else [(7,)]

    made = dashboard.read(ask)
    assert made.charts[0].title == title
    assert [draw.specification(chart)["data"]["values"] for chart in made.charts]
    assert {figure.label: figure.value for figure in made.figures}["customers"] == 2, "the unknown member is none"


def test_a_dashboard_of_nothing_has_charts_without_rows() -> None:
    empty = {dashboard.SPAN: [(None, None)], dashboard.TOTALS: [(0, 0, 1, 1, 1, 1)]}
    made = dashboard.read(lambda query: empty.get(query, [] if "GROUP BY" in query else [(0,)]))
    assert [chart.rows for chart in made.charts] == [[]] * 5
