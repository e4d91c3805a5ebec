"""The one place that imports CDK for Terraform.

``cdktf`` was archived in December 2025; ``cdktn`` carries it on under the same API. ``ORRERY_CDK=cdktn`` switches,
and a test synthesises every stack with both (ADR 0002).
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from infra.errors import OrreryError

PACKAGE = os.environ.get("ORRERY_CDK", "cdktf")
MINIMUM_NODE = 18


def check_node() -> None:
    """Make sure that a Node.js is there which the CDK's runtime can start.

    Raises
    ------
    OrreryError
        None found, or one that is too old.
    """
    step = f"install Node.js {MINIMUM_NODE} or newer (Debian, Ubuntu: apt-get install nodejs)"
    node = os.environ.get("JSII_NODE") or shutil.which("node")
    if not node:
        raise OrreryError("there is no node on the PATH; stacks are synthesised with it", next_step=step)
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        major = int(version.lstrip("v").partition(".")[0])
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise OrreryError(f"{node} does not run", next_step=step, details=str(error)) from error
    if major < MINIMUM_NODE:
        raise OrreryError(f"Node.js {version} is too old", next_step=step)


def load() -> ModuleType:
    """Import the CDK (half a second, starts a Node process) and return the package.

    Raises
    ------
    OrreryError
        There is no Node.js, or ``ORRERY_CDK`` names a package that isn't installed.
    """
    check_node()
    # Its runtime prints a banner for each Node release that has reached its end of life; the value lists majors.
    os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", ",".join(map(str, range(18, 40))))
    os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
    os.environ.setdefault("CHECKPOINT_DISABLE", "1")
    try:
        with _out_of_reach_of_ctrl_c():
            return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise OrreryError(
            f"the CDK package {PACKAGE!r} cannot be imported",
            next_step="unset ORRERY_CDK, or install the package into the environment",
            details=str(error),
        ) from error


class _InItsOwnSession(subprocess.Popen[Any]):
    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings["start_new_session"] = True
        super().__init__(*arguments, **settings)


@contextmanager
def _out_of_reach_of_ctrl_c() -> Iterator[None]:
    """Start the CDK's Node process, which its import does, in a session of its own.

    A Ctrl-C in the terminal would end it before its Python side does, and that side then prints a traceback. It ends
    by itself when this process is gone and its input with it.
    """
    plain = subprocess.Popen
    subprocess.Popen = _InItsOwnSession  # type: ignore[misc]  # put back below
    try:
        yield
    finally:
        subprocess.Popen = plain  # type: ignore[misc]
