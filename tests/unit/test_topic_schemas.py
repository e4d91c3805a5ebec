"""A topic's schema may change only so that it reads what lies in the topic already."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra import schemas
from infra.cli import app
from infra.errors import OrreryError
from infra.review import trees

FIRST = {"type": "object", "properties": {"id": {"type": "string"}}, "additionalProperties": False}
WIDER = {**FIRST, "properties": {**FIRST["properties"], "note": {"type": "string"}}}  # type: ignore[dict-item]
NARROWER = {**FIRST, "required": ["id"]}
FILE = "stacks/09_x/schemas/telemetry.json"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Repository:
    """A repository with one topic's schema."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / FILE).parent.mkdir(parents=True)
        git(folder, "init", "-q", "-b", "main")
        self.commit(FIRST)

    def write(self, schema: Any) -> None:
        (self.folder / FILE).write_text(json.dumps(schema))

    def commit(self, schema: Any) -> str:
        self.write(schema)
        git(self.folder, "add", ".")
        git(self.folder, "commit", "-q", "-m", "change")
        return git(self.folder, "rev-parse", "--short", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(trees, "ROOT", tmp_path)
    monkeypatch.setattr(schemas, "ROOT", tmp_path)
    return Repository(tmp_path)


def test_a_schema_that_takes_more_is_fine(repository: Repository) -> None:
    repository.write(WIDER)
    assert schemas.compare() == [schemas.Compared(FILE, 1, ())]


def test_a_schema_that_takes_less_is_told_and_fails(repository: Repository) -> None:
    repository.write(NARROWER)
    (found,) = schemas.compare()
    assert found.problems[0].startswith("$: id is required by the new schema alone (it was ")
    result = CliRunner().invoke(app, ["schemas"])
    assert isinstance(result.exception, OrreryError)
    assert f"1 schemas can't read what may lie in their topics: {FILE}" in result.exception.what


def test_it_must_read_what_older_versions_allowed_as_well(repository: Repository) -> None:
    wide = repository.commit(WIDER)
    repository.commit({**FIRST, "properties": {"id": {"type": "string"}, "note": {}}})
    repository.write(FIRST)  # as it once was: what was written since has a note
    (found,) = schemas.compare()
    assert found.versions == 3
    assert found.problems and all(wide not in each for each in found.problems)  # told once, of the newest


def test_what_a_branch_tried_before_it_was_merged_does_not_count(repository: Repository) -> None:
    git(repository.folder, "checkout", "-q", "-b", "mine")
    repository.commit(WIDER)
    repository.commit(FIRST)
    repository.commit(WIDER)
    git(repository.folder, "checkout", "-q", "main")
    git(repository.folder, "merge", "-q", "--no-ff", "-m", "merge", "mine")
    assert schemas.compare() == [schemas.Compared(FILE, 2, ())]


def test_a_new_topic_has_nothing_before_it(repository: Repository) -> None:
    (repository.folder / FILE).rename(repository.folder / FILE.replace("telemetry", "telemetry-2"))
    assert [each.versions for each in schemas.compare()] == [0]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_what_is_no_schema_is_refused_by_name(repository: Repository, text: str) -> None:
    (repository.folder / FILE).write_text(text)
    with pytest.raises(OrreryError, match=r"telemetry\.json is no JSON"):
        schemas.compare()
