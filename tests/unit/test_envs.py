"""Environments are made when they are needed, exactly by their lock file, and never half."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra import envs
from infra.errors import OrreryError
from infra.paths import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]


class Commands:
    """Stands for the processes that build an environment; ``fails`` makes one whose words it holds fail."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self.fails: dict[str, str] = {}
        self.dies_at = ""

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.seen.append(command)
        line = " ".join(command)
        if self.dies_at and self.dies_at in line:
            raise KeyboardInterrupt
        for words, output in self.fails.items():
            if words in line:
                return subprocess.CompletedProcess(command, 1, "", output)
        if " venv " in f"{line} ":
            (Path(command[-1]) / "bin").mkdir(parents=True, exist_ok=True)
            (Path(command[-1]) / "bin" / "python").touch()
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A checkout with one lock file, ``tools``, an uv on the PATH, and no process that really runs."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "tools.txt").write_text("tool==1 --hash=sha256:00\n")
    (tmp_path / "requirements" / "uv.txt").write_text("uv==1 --hash=sha256:00\n")
    monkeypatch.setattr(envs, "REQUIREMENTS", tmp_path / "requirements")
    monkeypatch.setattr(envs, "STATE", tmp_path / "state")
    monkeypatch.setattr(envs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delenv("ORRERY_ENV_TOOLS", raising=False)
    made = Commands()
    monkeypatch.setattr(envs.subprocess, "run", made.run)
    return made


def test_an_environment_is_made_once_and_from_hashes_only(commands: Commands, tmp_path: Path) -> None:
    said: list[str] = []
    python = envs.ensure("tools", said.append)
    assert python == tmp_path / "state" / "envs" / "tools" / "bin" / "python"
    assert envs.is_ready("tools")
    assert "requirements/tools.txt" in said[0] and "ready" in said[-1]
    assert "--require-hashes" in commands.seen[-1] and str(tmp_path / "requirements" / "tools.txt") in commands.seen[-1]
    count = len(commands.seen)
    assert envs.ensure("tools") == python
    assert len(commands.seen) == count


def test_a_changed_lock_file_brings_it_up_to_date(commands: Commands, tmp_path: Path) -> None:
    envs.ensure("tools")
    (tmp_path / "requirements" / "tools.txt").write_text("tool==2 --hash=sha256:11\n")
    assert not envs.is_ready("tools")
    count = len(commands.seen)
    envs.ensure("tools")
    assert len(commands.seen) > count and envs.is_ready("tools")


@pytest.mark.parametrize("where", ["venv", "sync"])
def test_a_half_built_environment_is_built_again(commands: Commands, where: str) -> None:
    commands.dies_at = where
    with pytest.raises(KeyboardInterrupt):
        envs.ensure("tools")
    assert not envs.is_ready("tools")
    commands.dies_at = ""
    envs.ensure("tools")
    assert envs.is_ready("tools")


def test_a_failed_update_does_not_leave_the_old_stamp(commands: Commands, tmp_path: Path) -> None:
    envs.ensure("tools")
    first = (tmp_path / "requirements" / "tools.txt").read_text()
    (tmp_path / "requirements" / "tools.txt").write_text("tool==2 --hash=sha256:11\n")
    commands.fails["sync"] = "error: dns"
    with pytest.raises(OrreryError):
        envs.ensure("tools")
    (tmp_path / "requirements" / "tools.txt").write_text(first)
    assert not envs.is_ready("tools"), "it may hold some of the new packages"


def test_a_stamp_without_an_interpreter_is_not_believed(commands: Commands) -> None:
    envs.ensure("tools").unlink()
    assert not envs.is_ready("tools")


def test_an_unknown_environment_lists_those_that_exist(commands: Commands) -> None:
    with pytest.raises(OrreryError) as caught:
        envs.ensure("tool")
    assert caught.value.what == "there is no environment 'tool'"
    assert caught.value.next_step == "use one of: tools, uv"


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_an_unsupported_python_is_refused_before_anything_is_made(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]
) -> None:
    info = SimpleNamespace(major=version[0], minor=version[1])
    fake = type("V", (tuple,), {"major": info.major, "minor": info.minor})((*version, 0))
    monkeypatch.setattr(envs.sys, "version_info", fake)
    with pytest.raises(OrreryError) as caught:
        envs.ensure("tools")
    assert f"Python {version[0]}.{version[1]} is not supported" in caught.value.what
    assert "PYTHON=" in caught.value.next_step
    assert not commands.seen


@pytest.mark.parametrize(
    ("output", "step"),
    [
        ("error: failed to fetch: dns error", "check the network"),
        ("error: No space left on device (os error 28)", "free some disk space"),
        ("ensurepip is not available", "python3-venv"),
    ],
)
def test_a_build_that_fails_says_what_to_do(commands: Commands, output: str, step: str) -> None:
    commands.fails["sync"] = output
    with pytest.raises(OrreryError) as caught:
        envs.ensure("tools")
    assert caught.value.what == "could not set up the tools environment"
    assert step in caught.value.next_step
    assert caught.value.details == output


def test_without_uv_the_pinned_one_is_installed_first(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(envs.shutil, "which", lambda name: None)
    envs.ensure("tools")
    assert commands.seen[0][:3] == [sys.executable, "-m", "venv"]
    assert "--require-hashes" in commands.seen[1] and str(tmp_path / "requirements" / "uv.txt") in commands.seen[1]
    assert commands.seen[2][0] == str(tmp_path / "state" / "envs" / "uv" / "bin" / "uv")


def test_an_override_is_taken_as_it_is(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORRERY_ENV_TOOLS", "/opt/tools/bin/python")
    assert envs.ensure("tools") == Path("/opt/tools/bin/python")
    assert not commands.seen


def test_a_state_folder_that_cannot_be_written_is_one_line(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(envs, "STATE", tmp_path / "file")
    with pytest.raises(OrreryError, match="cannot write to"):
        envs.ensure("tools")


def test_two_commands_build_it_one_after_the_other(commands: Commands) -> None:
    threads = [threading.Thread(target=envs.ensure, args=("tools",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("sync" in command for command in commands.seen) == 1


def test_the_launchers_half_runs_on_a_bare_python() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-P", str(ROOT / "infra" / "envs.py"), "no-such-environment"],
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: there is no environment 'no-such-environment'"


def test_every_lock_file_names_hashes_and_no_host() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text and "--index-url" not in text and "https://" not in text, lock.name
        assert lock.with_suffix(".in").exists()


def test_an_environment_behind_a_link_is_made_at_its_real_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "envs").symlink_to(tmp_path / "shared")
    monkeypatch.setattr(envs, "STATE", tmp_path / "state")
    assert envs.location("scan") == tmp_path / "shared" / "scan"
