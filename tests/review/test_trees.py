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


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A tree of one stack, whose module calls another one beside it."""
    for name, text in {
        "modules/m/main.tf": 'module "n" {\n  source = "../n"\n}\n',
        "modules/m/inner/main.tf": "",
        "modules/m/template.json": "{}",
        "modules/m/README.md": "",
        "modules/m/module.toml": "",
        "modules/m/tests/main.tf": "",
        "modules/n/main.tf": "",
        "modules/unused/main.tf": "",
        "out/stack_a/.keep": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    data = {"id": "a", "configuration": {"module": {"m": {"source": "../../modules/m"}}}}
    (tmp_path / "out" / "a.stack.json").write_text(json.dumps(data))
    return tmp_path


def read(root: Path) -> trees.Tree:
    return trees._read("x", root, root / "out")


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("modules/m/main.tf", True),
        ("modules/m/inner/main.tf", True),
        ("modules/m/template.json", True),
        ("modules/m/new.tf", True),
        ("modules/n/main.tf", True),
        ("modules/m/README.md", False),
        ("modules/m/module.toml", False),
        ("modules/m/tests/main.tf", False),
        ("modules/unused/main.tf", False),
    ],
)
def test_every_file_that_decides_a_plan_is_in_the_fingerprint(made: Path, file: str, counts: bool) -> None:
    before = read(made)
    with (made / file).open("a") as opened:
        opened.write("\n# one line more\n")
    after = read(made)
    assert trees.changed(before, after) == (["a"] if counts else [])
    assert trees.unchanged(before, after, ["a"]) == ([] if counts else ["a"])


@pytest.mark.parametrize(
    "more",
    [{"accepted": [{"check": "C", "module": "m", "reason": "why"}]}, {"tags": {"owner": "b"}}, {"error": "broken"}],
    ids=["accepted", "tags", "error"],
)
def test_what_a_stack_says_beside_its_configuration_makes_it_another(made: Path, more: dict[str, object]) -> None:
    before, file = read(made), made / "out" / "a.stack.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | more))
    assert trees.unchanged(before, read(made), ["a"]) == []


def test_a_stack_that_can_be_built_in_neither_tree_is_not_called_unchanged(made: Path) -> None:
    file = made / "out" / "a.stack.json"
    file.write_text(json.dumps({"id": "a", "error": "broken"}))
    assert trees.unchanged(read(made), read(made), ["a"]) == []


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
