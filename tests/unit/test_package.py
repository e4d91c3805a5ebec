"""Zips of functions: the same bytes for the same inputs, and no work that was done before."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import package
from infra.errors import OrreryError
from infra.paths import ROOT

UV = """#!/bin/sh
echo "$@" >> "{log}"
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/pandas/tests" "$2/pandas/__pycache__" "$2/pandas-1.dist-info" "$2/bin"
echo "pandas" > "$2/pandas/__init__.py"
echo "test" > "$2/pandas/tests/test_x.py"
echo "junk" > "$2/pandas/__pycache__/x.pyc"
echo "when installed $$" > "$2/pandas-1.dist-info/RECORD"
echo "types" > "$2/pandas/x.pyi"
echo "tool" > "$2/bin/tool"
exit {code}
"""


@pytest.fixture
def lambdas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lambdas folder with one function, ``loader``, and an empty cache."""
    monkeypatch.setattr(package, "LAMBDAS", tmp_path / "lambdas")
    monkeypatch.setattr(package, "ROOT", tmp_path)
    monkeypatch.setattr(package, "CACHE", tmp_path / "cache")
    folder = tmp_path / "lambdas" / "loader"
    folder.mkdir(parents=True)
    (folder / "handler.py").write_text("def handler(event, context): return 1\n")
    (folder / "README.md").write_text("not for the zip\n")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_handler.py").write_text("")
    jobs = tmp_path / "jobs"
    (jobs / "sql").mkdir(parents=True)
    (jobs / "__init__.py").write_text("")
    (jobs / "sql" / "001.sql").write_text("select 1;\n")
    (jobs / "notes.docx").write_text("")
    return tmp_path


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An uv that notes its calls and installs something small, in place of the network."""
    log = tmp_path / "uv.log"
    log.touch()
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    program.write_text(UV.format(log=log, code=0))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def build(root: Path, name: str = "loader", python: str = "3.12") -> package.Package:
    return package.build_package(name, [root / "jobs"], python=python, machine="x86_64")


def names(made: package.Package) -> list[str]:
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def lock(root: Path, text: str = "pandas==1 --hash=sha256:00\n") -> None:
    (root / "lambdas" / "loader" / "requirements.txt").write_text(text)


def test_a_zip_holds_code_and_data_and_nothing_else(lambdas: Path) -> None:
    made = build(lambdas)
    assert names(made) == ["handler.py", "jobs/__init__.py", "jobs/sql/001.sql"]
    assert made.runtime == "python3.12"
    assert made.size == Path(made.path).stat().st_size
    assert made.sha256 == base64.b64encode(hashlib.sha256(Path(made.path).read_bytes()).digest()).decode()


def test_the_same_inputs_give_the_same_bytes_anywhere(lambdas: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(lambdas)
    first = build(lambdas)
    for file in (lambdas / "lambdas").rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    monkeypatch.setattr(package, "CACHE", lambdas / "another cache")
    second = build(lambdas)
    assert first.path != second.path
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()
    assert first.sha256 == second.sha256


def test_changed_code_is_a_new_zip_over_the_same_dependencies(lambdas: Path, uv: Path) -> None:
    lock(lambdas)
    first = build(lambdas)
    (lambdas / "jobs" / "sql" / "001.sql").write_text("select 2;\n")
    second = build(lambdas)
    assert first.path != second.path and first.sha256 != second.sha256
    assert len(uv.read_text().splitlines()) == 1, "the dependencies are installed once per lock file"
    assert {"pandas/__init__.py", "handler.py", "jobs/sql/001.sql"} <= set(names(second))
    with zipfile.ZipFile(second.path) as archive:
        assert archive.read("jobs/sql/001.sql") == b"select 2;\n"


def test_nothing_is_written_when_nothing_changed(lambdas: Path) -> None:
    first = build(lambdas)
    before = Path(first.path).stat()
    assert build(lambdas) == first
    after = Path(first.path).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_dependencies_are_wheels_for_the_runtime_and_come_without_tests(lambdas: Path, uv: Path) -> None:
    lock(lambdas)
    held = names(build(lambdas))
    assert "pandas/__init__.py" in held
    assert not [name for name in held if "tests/" in name or name.endswith((".pyc", ".pyi", "RECORD", "bin/tool"))]
    command = uv.read_text()
    for part in (
        "--python-version 3.12",
        "--python-platform x86_64-manylinux_2_28",
        "--only-binary :all:",
        "--require-hashes",
    ):
        assert part in command


def test_another_lock_or_runtime_installs_again(lambdas: Path, uv: Path) -> None:
    lock(lambdas)
    build(lambdas)
    build(lambdas, python="3.13")
    lock(lambdas, "pandas==2 --hash=sha256:11\n")
    build(lambdas)
    assert len(uv.read_text().splitlines()) == 3


def test_code_alone_is_importable_from_its_zip_and_named_by_its_content(lambdas: Path) -> None:
    jobs = lambdas / "jobs"
    first = package.build_code("spark", [jobs])
    assert zipfile.ZipFile(first.path).namelist() == ["jobs/__init__.py", "jobs/sql/001.sql"]
    assert package.build_code("spark", [jobs]) == first
    (jobs / "more.py").write_text("answer = 42\n")
    second = package.build_code("spark", [jobs])
    asked = [sys.executable, "-c", "import jobs.more; print(jobs.more.answer)"]
    done = subprocess.run(asked, env={"PYTHONPATH": second.path}, capture_output=True, text=True, cwd=lambdas / "cache")
    assert done.stdout == "42\n" and second.path != first.path, done.stderr


def test_a_folder_without_code_is_no_package(lambdas: Path) -> None:
    with pytest.raises(OrreryError, match="holds no Python code"):
        package.build_code("spark", [lambdas / "nothing"])


def test_an_unknown_function_lists_those_that_exist(lambdas: Path) -> None:
    with pytest.raises(OrreryError) as caught:
        build(lambdas, "loadr")
    assert caught.value.what == "there is no function 'loadr' in lambdas/"
    assert caught.value.next_step == "use one of: loader"


def test_dependencies_that_cannot_be_had_are_one_line(lambdas: Path, uv: Path) -> None:
    lock(lambdas)
    (uv.parent / "bin" / "uv").write_text(UV.format(log=uv, code=1))
    with pytest.raises(OrreryError) as caught:
        build(lambdas)
    assert "could not install the dependencies of loader for Python 3.12 on x86_64" in caught.value.what
    assert "lambdas/loader/requirements.txt" in caught.value.next_step
    assert not list((lambdas / "cache" / "packages").glob("*.zip"))


def test_what_aws_would_refuse_is_refused_here(lambdas: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(lambdas)
    monkeypatch.setattr(package, "UNZIPPED_LIMIT", 3)
    with pytest.raises(OrreryError, match="AWS Lambda allows"):
        build(lambdas)


def test_a_full_disk_leaves_no_half_a_zip(lambdas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OrreryError) as caught:
        build(lambdas)
    assert caught.value.what == "could not write the package of loader: No space left on device"
    assert "free some disk space" in caught.value.next_step
    assert [path.name for path in (lambdas / "cache" / "packages").iterdir()] == ["loader.lock"]


def test_the_dependencies_of_the_real_functions_are_locked_with_hashes() -> None:
    for handler in (ROOT / "lambdas").glob("*/handler.py"):
        wanted = handler.parent / "requirements.in"
        if wanted.exists():
            locked = (handler.parent / "requirements.txt").read_text()
            assert "--hash=sha256:" in locked, handler.parent.name
            assert "://" not in "".join(line for line in locked.splitlines() if not line.lstrip().startswith("#"))
