"""Topics of a deployed stack: made after each deployment, because Terraform's AWS provider can't make them.

On the local cloud the engine runs the job for it. In an account brokers are in a private network: there one of the
stack's own programs runs the same job, `jobs.kafka_topics`, before it reads or writes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from infra import envs
from infra.errors import OrreryError
from infra.live import Live
from infra.local.kafka import CLIENT_ENVIRONMENT
from infra.paths import ROOT

OUTPUTS = ("bootstrap_servers", "authentication", "topics")


def apply(live: Live) -> None:
    """Make, grow and configure the topics that a stack declares; nothing is shrunk or deleted.

    Parameters
    ----------
    live : Live
        A stack with the module kafka's outputs `OUTPUTS` as its own, by the same names.

    Raises
    ------
    OrreryError
        The stack lacks an output, a topic would have to shrink, or no broker answers.
    """
    lacking = [name for name in OUTPUTS if name not in live.outputs]
    if lacking:
        raise OrreryError(
            f"the stack has topics, but not its Kafka's output {lacking[0]!r}",
            next_step=f"publish the module's outputs by their names: {', '.join(OUTPUTS)}",
        )
    python = envs.ensure(CLIENT_ENVIRONMENT, say=live.ui.note)
    with tempfile.TemporaryDirectory(prefix="orrery-topics-") as folder:
        file = Path(folder) / "topics.json"
        file.write_text(str(live.outputs["topics"]))
        command = [str(python), "-P", "-m", "jobs.kafka_topics", "apply", "--topics", str(file)]
        live.ui.command(command)
        environment = {
            **os.environ,
            **live.target.environment,
            "KAFKA_AUTHENTICATION": str(live.outputs["authentication"]),
            "KAFKA_BOOTSTRAP_SERVERS": str(live.outputs["bootstrap_servers"]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT),
        }
        with live.ui.step("making topics"):
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = done.stdout + done.stderr
        errors = [line.removeprefix("error: ") for line in said.splitlines() if line.startswith("error: ")]
        why = (errors or said.splitlines() or ["the job said nothing"])[-1]
        raise OrreryError(
            f"the topics can't be made: {why}",
            next_step="mend it, then deploy again: what is made stays",
            details=said,
        )
    for line in done.stdout.splitlines():
        live.ui.note(line)
