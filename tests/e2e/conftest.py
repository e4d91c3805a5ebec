"""The command line on the session's local cloud, and what is deployed there for all tests that need it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local import Cloud
from infra.paths import ROOT, STATE
from tests.support.local_aws import until

Run = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Orrery:
    """The command line as a user has it, on the session's own state.

    Parameters
    ----------
    launcher : Path
        ``./orrery`` of a checkout.
    state : Path
        What ORRERY_STATE names.
    """

    launcher: Path
    state: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [str(self.launcher), *arguments],
            env={**os.environ, "ORRERY_STATE": str(self.state)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, timeout: float = 300) -> Run:
        """Run a command to its end; one that takes too long is stopped and fails with all that tells why."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"{arguments} took more than {timeout:.0f} s\n{out}{err}\n{self.what_was_done()}")
        return Run(process.args, process.returncode, out, err)

    def what_was_done(self) -> str:
        """Return the ends of the logs: what Terraform waited for, what the emulator said."""
        logs = [*self.state.glob("stacks/*/local/apply.jsonl"), *self.state.glob("local/logs/*.log")]
        ends = {path: path.read_text(errors="replace").splitlines()[-40:] for path in logs}
        return "\n".join(f"--- {path}\n" + "\n".join(each[:400] for each in end) for path, end in ends.items())

    def ok(self, *arguments: str) -> str:
        """Run a command that has to work, and return what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def together(self, command: str, stacks: Iterable[str]) -> dict[str, Run]:
        """Run a command for several stacks at once: an apply mostly waits."""
        with ThreadPoolExecutor() as pool:
            started = {name: pool.submit(self.run, command, name) for name in stacks}
        return {name: each.result() for name, each in started.items()}

    def folder(self, slug: str) -> Path:
        """Return where a stack's state lies."""
        return self.state / "stacks" / slug / "local"

    def resources(self, slug: str) -> int:
        """Count the managed resources in a stack's state file, also while an apply writes it."""
        try:
            state = json.loads((self.folder(slug) / "terraform.tfstate").read_text())
        except (OSError, ValueError):
            return 0
        return sum(len(each["instances"]) for each in state["resources"] if each["mode"] == "managed")

    def outputs(self, slug: str) -> dict[str, Any]:
        """Return a deployed stack's outputs."""
        state = json.loads((self.folder(slug) / "terraform.tfstate").read_text())
        return {name: body["value"] for name, body in state["outputs"].items()}

    def terraforms(self, slug: str) -> list[psutil.Process]:
        """Return the processes that work in a stack's folder: Terraform and its providers."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.folder(slug):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def in_the_middle(self, slug: str, process: subprocess.Popen[str], resources: int = 3) -> None:
        """Wait until an apply that runs has made some resources."""
        until(lambda: self.resources(slug) >= resources or process.poll() is not None, 120, "an apply that works")
        assert process.poll() is None, process.communicate()

    def no_terraform_is_left(self, slug: str) -> None:
        """Wait until nothing works in a stack's folder any more."""
        until(lambda: not self.terraforms(slug), 30, f"terraform to end in {self.folder(slug)}")


@pytest.fixture(scope="session")
def orrery(local_cloud: Cloud) -> Orrery:
    """The command line of this checkout."""
    return Orrery(ROOT / "orrery", STATE)


@pytest.fixture(scope="session")
def deployments(orrery: Orrery, request: pytest.FixtureRequest) -> Iterator[dict[str, Run]]:
    """The first deployment of each stack that a test module names as its ``STACK`` or ``STACKS``, all at once."""
    modules = {item.getparent(pytest.Module) for item in request.session.items}
    wanted = {module.obj.STACK for module in modules if module and hasattr(module.obj, "STACK")}
    wanted |= {name for module in modules if module for name in getattr(module.obj, "STACKS", ())}
    yield orrery.together("deploy", sorted(wanted))
    left = [name for name in wanted if orrery.resources(name.replace("_", "-"))]
    orrery.together("destroy", left)


@pytest.fixture(scope="session")
def destroyed(orrery: Orrery, deployments: dict[str, Run]) -> dict[str, Run]:
    """The destruction of all that was deployed; the tests that need it come last."""
    return orrery.together("destroy", sorted(deployments))
