"""What the unit tests share: planted stacks and modules, a terraform that does as told, packages without wheels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from infra import catalog, modules, stack
from infra.package import Package
from infra.paths import ROOT

HERE = Path(__file__).resolve().parent

TOML = """\
track = 1
title = "A planted stack"
domain = "Testing"
level = "Beginner"
summary = "What the tests need"
components = ["nothing"]
services = ["aws"]
"""


@dataclass(frozen=True)
class FakeTerraform:
    """A ``terraform`` on the PATH that follows a scenario, and the log of its calls."""

    home: Path

    def does(self, **scenario: dict[str, Any]) -> None:
        """Say what each subcommand does; see fake_terraform.py."""
        (self.home / "scenario.json").write_text(json.dumps(scenario))

    @property
    def log(self) -> list[dict[str, Any]]:
        """Everything that was written down, oldest first."""
        file = self.home / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call."""
        return [entry["arguments"] for entry in self.log if entry["event"] == "start"]

    @property
    def commands(self) -> list[str]:
        """The subcommand of each call."""
        return [call[0] for call in self.calls]


@pytest.fixture
def terraform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTerraform:
    """Put the fake terraform first on the PATH."""
    home = tmp_path / "fake-terraform"
    home.mkdir()
    program = home / "terraform"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E -P "{HERE / "fake_terraform.py"}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_TERRAFORM", str(home))
    made = FakeTerraform(home)
    made.does()
    return made


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stacks folder of the test's own, with the real catalogue of those to come."""
    folder = tmp_path / "stacks"
    folder.mkdir()
    (folder / "catalog.toml").write_text((ROOT / "stacks" / "catalog.toml").read_text())
    monkeypatch.setattr(catalog, "STACKS", folder)
    monkeypatch.setattr(stack, "STACKS", folder)
    catalog.load.cache_clear()
    yield folder
    catalog.load.cache_clear()


@pytest.fixture
def stack_toml() -> str:
    """The smallest stack.toml that is right."""
    return TOML


Plant = Callable[..., catalog.StackInfo]


@pytest.fixture
def plant(stacks: Path) -> Plant:
    """Plant a stack: ``plant("70_quasar", body_of_stack_py)`` returns its catalogue entry."""

    def planted(name: str, code: str, toml: str = TOML) -> catalog.StackInfo:
        folder = stacks / name
        folder.mkdir(exist_ok=True)
        (folder / "stack.toml").write_text(toml)
        (folder / "stack.py").write_text(dedent(code))
        catalog.load.cache_clear()
        return catalog.load()[name]

    return planted


@pytest.fixture
def module_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Plant modules in a folder of the test's own: ``module_folder("shelf", variables="…", outputs="…")``."""
    folder = tmp_path / "modules"
    monkeypatch.setattr(modules, "MODULES", folder)
    monkeypatch.setattr(modules, "CACHE", tmp_path / "interface-cache")
    modules.load.cache_clear()

    def planted(
        name: str, variables: str = "", outputs: str = "", facts: str = 'local = "deploy"', versions: str = ""
    ) -> Path:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "variables.tf").write_text(dedent(variables))
        (folder / name / "outputs.tf").write_text(dedent(outputs))
        (folder / name / "versions.tf").write_text(dedent(versions))
        (folder / name / "module.toml").write_text('summary = "planted"\n' + dedent(facts))
        modules.load.cache_clear()
        return folder / name

    yield planted
    modules.load.cache_clear()


def light_package(name: str, sources: object = (), *, python: str, machine: str) -> Package:
    """Stand for `infra.package.build_package` where the zip's content is not the point."""
    return Package(f"/packages/{name}.zip", "c2hhMjU2", f"python{python}", 1000)


@pytest.fixture
def light_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build no zips: their dependencies are wheels for the runtime, which a first run would have to fetch."""
    monkeypatch.setattr(stack, "build_package", light_package)


Orrery = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def orrery(tmp_path: Path) -> Orrery:
    """Run the command line in a process of its own, with a state folder of its own."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "cache").symlink_to(ROOT / ".orrery" / "cache")

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "infra", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "ORRERY_STATE": str(state), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run
