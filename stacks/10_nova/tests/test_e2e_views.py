"""Views, the eye of the alarm and the way back, in a warehouse."""

from __future__ import annotations

import os
import subprocess

import pytest

from infra import envs
from infra.local import Cloud
from infra.paths import ROOT

from .conftest import HOME, program

pytestmark = pytest.mark.e2e


def test_any_name_is_shown_what_waits_is_seen_and_can_be_forgotten() -> None:
    path = os.pathsep.join([str(ROOT), str(HOME / "src"), str(HOME / "tests")])
    command = [str(envs.ensure("snowflake")), "-P", str(HOME / "tests" / "views_run.py")]
    own = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path}
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=180)
    wanted = ["check_any_name", "wait_for_merge", "forget_what_waits", "claim_what_two_have_claimed"]
    wanted.append("tell_what_is_refused")
    assert done.stdout.split() == wanted, done.stderr[-2000:]


def test_a_session_with_parameters_is_opened(snowflake: Cloud) -> None:
    done = program(snowflake, "nova_parameters", "-m", "nova.ask", "select 1 as one")
    assert done.returncode == 0 and '"asked"' in done.stdout, done.stdout + done.stderr
