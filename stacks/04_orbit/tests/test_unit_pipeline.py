"""What the pipeline does around a warehouse: its file in the bucket, its key in the secret, a sum that must be right."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from orbit import access, dashboard, pipeline

from jobs.balance import Balance, Imbalance


class Bucket:
    """A bucket that holds one file of DuckDB, or none."""

    def __init__(self, held: bytes | None) -> None:
        self.held, self.version = held, 1

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if self.held is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        body = io.BytesIO(self.held)
        body.iter_chunks = lambda size: iter([body.read()])  # type: ignore[attr-defined]
        return {"ETag": f'"{self.version}"', "Body": body}

    def put_object(self, Bucket: str, Key: str, Body: Any, IfMatch: str = "", IfNoneMatch: str = "") -> None:
        if IfMatch != (f'"{self.version}"' if self.held is not None else "") or (IfNoneMatch and self.held is not None):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.held, self.version = Body.read(), self.version + 1


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is set for a warehouse is gone after the test."""
    kept = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(kept)


def use(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "s3", lambda: bucket)


@pytest.mark.parametrize("held", [None, b"before"])
def test_a_run_takes_the_file_out_and_puts_it_back(held: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(held)
    use(bucket, monkeypatch)
    with access.entered("duckdb", "b", write=True):
        path = Path(os.environ["ORBIT_DUCKDB_PATH"])
        assert (path.read_bytes() if path.exists() else None) == held
        path.write_bytes(b"after")
    assert bucket.held == b"after" and not path.exists()


def test_a_run_that_fails_and_one_that_only_asks_leave_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(b"before")
    use(bucket, monkeypatch)
    with pytest.raises(ZeroDivisionError), access.entered("duckdb", "b", write=True):
        Path(os.environ["ORBIT_DUCKDB_PATH"]).write_bytes(b"half")
        raise ZeroDivisionError
    with access.entered("duckdb", "b", write=False):
        Path(os.environ["ORBIT_DUCKDB_PATH"]).write_bytes(b"read")
    assert bucket.held == b"before"


@pytest.mark.parametrize("held", [None, b"before"])
def test_of_two_runs_at_once_one_is_told_to_begin_anew(held: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(held)
    use(bucket, monkeypatch)
    with pytest.raises(access.NoAccess, match="another run"), access.entered("duckdb", "b", write=True):
        Path(os.environ["ORBIT_DUCKDB_PATH"]).write_bytes(b"mine")
        bucket.held, bucket.version = b"theirs", 7
    assert bucket.held == b"theirs"


class Secrets:
    def __init__(self, held: dict[str, str]) -> None:
        self.held = held

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        return {"SecretString": json.dumps(self.held)}


@pytest.mark.parametrize(("target", "lacks"), [("snowflake", "private_key"), ("bigquery", "type")])
def test_a_secret_into_which_nobody_put_the_key_is_told(
    target: str, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBIT_SECRET_ARN", "arn:entrance")
    monkeypatch.setattr(boto3, "client", lambda service: Secrets({"user": "orbit", "password": "drawn"}))
    with (
        pytest.raises(access.NoAccess, match=f"arn:entrance has no '{lacks}'"),
        access.entered(target, "", write=False),
    ):
        pass


def test_a_google_key_goes_into_a_private_file_that_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBIT_SECRET_ARN", "arn:entrance")
    monkeypatch.setattr(boto3, "client", lambda service: Secrets({"type": "external_account"}))
    with access.entered("bigquery", "", write=False):
        path = Path(os.environ["GOOGLE_APPLICATION_CREDENTIALS"])
        assert path.stat().st_mode & 0o077 == 0 and json.loads(path.read_text()) == {"type": "external_account"}
    assert not path.exists()


def test_google_is_shown_the_role_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's library looks for AWS credentials in the environment, where a task on Fargate has none."""
    monkeypatch.setenv("ORBIT_SECRET_ARN", "arn:entrance")
    monkeypatch.setattr(boto3, "client", lambda service: Secrets({"type": "external_account"}))
    own = SimpleNamespace(access_key="ASIA1", secret_key="s", token="t")
    role = SimpleNamespace(get_credentials=lambda: SimpleNamespace(get_frozen_credentials=lambda: own))
    monkeypatch.setattr(boto3, "Session", lambda: role)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "")
    with access.entered("bigquery", "", write=False):
        assert os.environ["AWS_ACCESS_KEY_ID"] == "ASIA1" and os.environ["AWS_SESSION_TOKEN"] == "t"


class Counted:
    """A warehouse that answers the queries of a balance in their order."""

    text = number = ""

    def __init__(self, *answers: list[tuple[Any, ...]]) -> None:
        self.answers = iter(answers)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return next(self.answers)


def counted(records: int, read: int, bad: int, new: int, replaced: int, same: int) -> dict[str, Balance]:
    answers = [[("f", records)], [("f", read, bad)], [("f", new, replaced)], [("f", same)]]
    return pipeline._balance(Counted(*answers), "small_bodies")  # type: ignore[arg-type]


def test_a_balance_that_adds_up_is_one() -> None:
    assert counted(10, 10, 1, 4, 3, 2) == {"f": Balance(10, 4, 3, 2, 1)}


@pytest.mark.parametrize("wrong", [(11, 10, 1, 4, 3, 2), (10, 10, 1, 4, 3, 1), (10, 10, 2, 4, 3, 2)])
def test_a_record_that_is_lost_or_there_twice_fails_the_run(wrong: tuple[int, ...]) -> None:
    with pytest.raises(Imbalance):
        counted(*wrong)


def test_a_dashboard_of_empty_marts_has_no_rows_and_no_numbers_but_zero() -> None:
    empty = dashboard.named([[], [], [], [], [[None, None, 0, None]]])
    board = dashboard.shown(empty, "duckdb")
    assert [list(chart.rows) for chart in board.charts] == [[], [], [], []]
    assert {figure.value for figure in board.figures} == {0} and set(board.sources.values()) == {0}


def test_each_field_that_a_chart_draws_is_a_column_of_its_rows() -> None:
    found = dashboard.named(
        [
            [["(2020 A)", "2020-01-01", 0.5, 12.0, 7.0, "Harmless"]],
            [[2019.0, "Apollo", 3.0]],
            [["Apollo", "Undecided", 1.0], ["Apollo", "Potentially hazardous", 2.0]],
            [["below 20 m", "magnitude", 3, 10.0, 20.0, 5.0], ["1 km and more", "measured", 1, 1500.0, 2000.0, 1000.0]],
            [[4, 2, 1, 1]],
        ]
    )
    for chart in dashboard.shown(found, "snowflake").charts:
        fields = set(_fields(chart.spec))
        assert fields and all(fields <= row.keys() for row in chart.rows), chart.title
    assert found["years"][0] == {"year": 2019, "family": "Apollo", "bodies": 3}, "Snowflake's whole numbers are whole"


def _fields(spec: Any) -> Iterator[str]:
    for value in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ():
        yield from _fields(value)
    if isinstance(spec, dict) and isinstance(spec.get("field"), str):
        yield spec["field"]
