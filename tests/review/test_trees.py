"""What is compared with what: the base out of git, and clear words where there is none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from infra.errors import OrreryError
from infra.review import planning, trees


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "a").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.setattr(trees, "ROOT", tmp_path)
    return tmp_path


def test_the_base_is_where_the_branch_left_main(repository: Path) -> None:
    start = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "-b", "mine")
    git(repository, "commit", "-q", "--allow-empty", "-m", "mine")
    git(repository, "checkout", "-q", "main")
    git(repository, "commit", "-q", "--allow-empty", "-m", "theirs")
    git(repository, "checkout", "-q", "mine")
    assert trees.base_commit() == start


def test_a_base_that_does_not_exist_is_named(repository: Path) -> None:
    with pytest.raises(OrreryError, match="there is no branch or commit 'nowhere'"):
        trees.base_commit("nowhere")


def test_a_folder_that_is_no_repository_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(OrreryError, match="this is no git repository"):
        trees.base_commit()


def test_a_machine_without_git_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OrreryError, match="there is no git"):
        trees.base_commit()


def test_stacks_differ_by_configuration_or_by_a_modules_files(tmp_path: Path) -> None:
    def tree(name: str, text: str, tag: str = "x") -> trees.Tree:
        root = tmp_path / name
        (root / "modules" / "m" / "examples").mkdir(parents=True)
        (root / "modules" / "m" / "main.tf").write_text(text)
        (root / "modules" / "m" / "examples" / "main.tf").write_text(name)
        folder = root / "out"
        (folder / "stack_a").mkdir(parents=True)
        configuration = {"module": {"m": {"source": "../../modules/m"}}}
        data = {"id": "a", "configuration": configuration, "tags": {"owner": tag}}
        (folder / "a.stack.json").write_text(json.dumps(data))
        return trees._read(name, root, folder)

    one = tree("one", "resource")
    assert trees.changed(one, tree("same", "resource")) == []
    assert trees.changed(one, tree("module", "other")) == ["a"]
    assert trees.changed(one, tree("tags", "resource", "y")) == ["a"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format_version": "1.2", "resource_changes": [', "no whole JSON document"),
        ('{"version": 4}', "no plan of Terraform's"),
        ("[]", "no plan of Terraform's"),
        ('{"format_version": "2.0", "resource_changes": []}', "plan format 2.0"),
    ],
    ids=["truncated", "a state", "a list", "another version"],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    with pytest.raises(OrreryError, match=said):
        planning.read_plan(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="cannot read .*missing.json"):
        planning.read_plan(tmp_path / "missing.json")
