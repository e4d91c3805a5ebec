"""``LOCAL_AWS=localstack``: LocalStack's container is asked first, where Docker runs."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from infra.errors import OrreryError
from infra.local.service import HOST

COMPOSE_FILE = Path(__file__).resolve().parent.parent.parent / "compose.yaml"
PORT = 4586
START_TIMEOUT_S = 120
INSTEAD = "start Docker, or unset LOCAL_AWS to use the built-in local AWS"


def start(say: Callable[[str], None]) -> str:
    """Start the container, wait until it answers, and return its address."""
    docker = shutil.which("docker")
    if not docker:
        raise OrreryError("LOCAL_AWS=localstack needs Docker, which is not installed", next_step=INSTEAD)
    for question, problem in (
        (
            ["version", "--format", "{{.Server.Version}}"],
            "LOCAL_AWS=localstack needs Docker, which is not running",
        ),
        (
            ["compose", "version"],
            "LOCAL_AWS=localstack needs Docker's compose plugin, which is not installed",
        ),
    ):
        asked = subprocess.run([docker, *question], capture_output=True, text=True)
        if asked.returncode:
            raise OrreryError(problem, next_step=INSTEAD, details=asked.stderr.strip())
    port = int(os.environ.get("ORRERY_LOCALSTACK_PORT", PORT))
    say("starting the LocalStack container (the first time, its image is downloaded)")
    _compose(docker, port, "up", "--detach", "localstack")
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers(port):
        if time.monotonic() > deadline:
            raise OrreryError(
                f"LocalStack does not answer on port {port} after {START_TIMEOUT_S} s",
                next_step="look at 'docker compose logs localstack', or unset LOCAL_AWS",
            )
        time.sleep(0.5)
    return f"http://{HOST}:{port}"


def stop() -> None:
    """Stop and remove the container; fine when there is none."""
    if docker := shutil.which("docker"):
        _compose(docker, int(os.environ.get("ORRERY_LOCALSTACK_PORT", PORT)), "down")


def answers(port: int) -> bool:
    """Tell whether LocalStack's health address answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/_localstack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _compose(docker: str, port: int, *arguments: str) -> None:
    done = subprocess.run(
        [docker, "compose", "--file", str(COMPOSE_FILE), "--project-name", "orrery", *arguments],
        env={**os.environ, "ORRERY_LOCALSTACK_PORT": str(port)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise OrreryError(
            f"docker compose {arguments[0]} failed",
            next_step=INSTEAD,
            details=(done.stdout + done.stderr).strip(),
        )
