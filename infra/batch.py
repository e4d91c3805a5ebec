"""What stacks share whose files are dropped into a landing bucket and worked on by a container at fixed times."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from infra.stack import Module, Stack

if TYPE_CHECKING:
    import psycopg

    from infra.live import Check, Live

LANDING, QUARANTINE = "incoming/", "quarantine/"
ENDPOINTS = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]  # S3 has a gateway: ECR keeps its layers there too
EXAMPLE_DIGEST = "sha256:" + "0123456789abcdef" * 4
"""The image of every ``stack.toml``, until a person has pushed one and names it."""


def _events(said: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return the lines that are events; a program that is killed may leave half of one."""
    for line in said:
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "event" in found:
                yield found


@dataclass(frozen=True)
class Ground:
    """What there is before the stack's own parts."""

    key: Module
    network: Module
    alerts: Module
    landing: Module
    missed: Module


class BatchStack(Stack):
    """Landing bucket → a container at fixed times, which a stack's ``bin`` or ``src`` folder holds → its warehouse."""

    regions = ("us-east-1",)
    zones: ClassVar[tuple[str, ...]] = ("us-east-1a", "us-east-1b")

    @property
    def bucket(self) -> str:
        """The landing bucket's name."""
        return self.physical("landing", globally=True)

    # -- what its build() composes -----------------------------------------------------------------------------

    def ground(self, keeps: str, rules: Mapping[str, Any] | None = None, **network: Any) -> Ground:
        """Add the key, the network, the topic of alarms, the landing bucket and the queue of missed runs.

        Parameters
        ----------
        keeps : str
            What the key encrypts, for its description.
        rules : mapping, optional
            Lifecycle rules of the bucket beside those for what was delivered and what was refused.
        **network
            Further inputs of the network.
        """
        key = self.module(
            "key",
            "key",
            account_id=self.target.account_id,
            name=self.physical("data"),
            description=keeps,
            services=["cloudwatch", "logs", "sns"],
            deletion_window_days=7 if self.target.disposable else 30,
        )
        inside = self.module(
            "network",
            "network",
            name=self.physical("network"),
            availability_zones=list(self.zones),
            kms_key_arn=key.arn,
            interface_endpoints=ENDPOINTS,
            **network,
        )
        alarms = f"arn:aws:cloudwatch:{self.regions[0]}:{self.target.account_id}:alarm:*"
        alerts = self.module(
            "alerts",
            "topic",
            name=self.physical("alerts"),
            kms_key_arn=key.arn,
            allowed_publishers=[{"service": "cloudwatch", "source_arn": alarms}],
        )
        landing = self.module(
            "landing",
            "object_store",
            name=self.bucket,
            account_id=self.target.account_id,
            kms_key_arn=key.arn,
            force_destroy=self.target.disposable,
            lifecycle_rules={
                "age-landing": {
                    "prefix": LANDING,
                    "transitions": [{"after_days": 90, "storage_class": "STANDARD_IA"}],
                },
                "expire-quarantine": {"prefix": QUARANTINE, "expire_after_days": 365},
                **(rules or {}),
            },
        )
        missed = self.module("missed", "queue", name=self.physical("missed-runs"), kms_key_arn=key.arn)
        return Ground(key, inside, alerts, landing, missed)

    def nightly(
        self,
        ground: Ground,
        *,
        environment: Mapping[str, Any],
        schedules: Mapping[str, Mapping[str, Any]],
        grants: Mapping[str, Mapping[str, Any]],
        read: Sequence[str] = ("s3:GetObject",),
        written: Sequence[str] = (QUARANTINE,),
        **task: Any,
    ) -> Module:
        """Add the container, and exactly what it may do.

        Parameters
        ----------
        ground : Ground
            Where it runs.
        environment, schedules : mapping
            As `scheduled_task` takes them.
        grants : mapping
            What it may do beside reading what was delivered and writing below `written`.
        read : sequence of str
            Actions with which it reads there.
        written : sequence of str
            Prefixes of the landing bucket.
        **task
            Further inputs of `scheduled_task`, such as ``cpu``.
        """
        arn, image = f"arn:aws:s3:::{self.bucket}", self.info.settings
        registry = f"{self.target.account_id}.dkr.ecr.{self.regions[0]}.amazonaws.com"
        always = {
            "read_landing": {"actions": list(read), "resources": [f"{arn}/{LANDING}*"]},
            "list_landing": {"actions": ["s3:ListBucket"], "resources": [arn]},
            "write_outcomes": {
                "actions": ["s3:AbortMultipartUpload", "s3:PutObject"],
                "resources": [f"{arn}/{prefix}*" for prefix in written],
            },
            "data_key": {"actions": ["kms:Decrypt", "kms:GenerateDataKey"], "resources": [ground.key.arn]},
        }
        return self.module(
            "nightly",
            "scheduled_task",
            name=self.physical("nightly"),
            image=f"{registry}/{image['image_repository']}@{image['image_digest']}",
            kms_key_arn=ground.key.arn,
            alarm_topic_arn=ground.alerts.arn,
            subnet_ids=ground.network.subnet_ids,
            security_group_ids=ground.network.security_group_ids,
            dead_letter={"queue_arn": ground.missed.arn},
            heartbeat_pattern='{ $.event = "finished" }',
            environment=dict(environment),
            schedules=dict(schedules),
            grants={**always, **grants},
            **task,
        )

    def announce(self, ground: Ground, task: Module, files: str) -> None:
        """Publish where files go, where alarms go, and what the schedules start."""
        self.output("landing_bucket", ground.landing.name, f"Drop {files} below {LANDING} in this bucket.")
        self.output("alerts", ground.alerts.arn, "Where the alarms go: subscribe your address.")
        self.output("task", task.task_definition_arn, "What the schedules start.")

    # -- what it does once it is deployed ----------------------------------------------------------------------

    def ready(self, live: Live) -> list[Check]:
        """Check in an account what can be checked before the night: nothing that runs there answers sooner.

        What is written into the bucket lies where no run looks for deliveries.
        """
        from infra.live import Check

        s3, bucket, key = live.client("s3", self.regions[0]), live.outputs["landing_bucket"], "probe/orrery"
        written = str(time.time_ns()).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=written)
        found = s3.get_object(Bucket=bucket, Key=key)["Body"].read()

        digest = str(self.info.settings["image_digest"])
        named = digest != EXAMPLE_DIGEST
        return [
            Check("an image is named", named, digest if named else "build Dockerfile, push it, name it"),
            Check("the landing bucket gives back what is written", found == written, f"{len(found)} bytes"),
        ]

    def drop(self, live: Live, paths: Sequence[Path]) -> list[str]:
        """Put files into the landing bucket, in their order, below a name of their own; return their keys.

        What is asked afterwards is about these deliveries, so no earlier one may have their keys.
        """
        s3, bucket = live.client("s3", self.regions[0]), live.outputs["landing_bucket"]
        folder = f"{LANDING}{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1000000:06}/"
        for path in paths:
            s3.upload_file(str(path), bucket, folder + path.name)
        return [folder + path.name for path in paths]

    def run_task(
        self, live: Live, command: Sequence[str], environment: Mapping[str, str], doing: str
    ) -> list[dict[str, Any]]:
        """Run on this machine what the container runs, and return the JSON lines that it logged.

        Raises
        ------
        OrreryError
            It failed: with its errors, and all that it said as details. Or the stack is not on the local cloud: this
            machine's own warehouse would answer for the one in the account.
        """
        from infra.errors import OrreryError

        if not self.target.local:
            raise OrreryError(
                f"{self.info.id} is asked on the local cloud only: on AWS its task runs in a private network",
                next_step="ask the warehouse itself; the stack's README says how",
            )
        live.ui.command(list(command))
        given = {
            "HOME": os.environ.get("HOME", "/"),
            "PATH": os.environ.get("PATH", os.defpath),
            **{name: value for name, value in os.environ.items() if name == "JOBS_FAULT"},
            **live.target.environment,
            **environment,
        }
        with live.ui.step(doing):
            done = subprocess.run(command, env=given, capture_output=True, text=True)
        said = (done.stdout + done.stderr).splitlines()
        logged = list(_events(said))
        if done.returncode:
            errors = [str(line.get("error") or line["event"]) for line in logged if line.get("level") == "error"]
            why = "; ".join(errors)[:900] or (said or ["it said nothing"])[-1]
            raise OrreryError(
                f"the task failed with {done.returncode}: {why}",
                next_step="run it again: it goes on where it stopped; --verbose shows all that it said",
                details="\n".join(said),
            )
        return logged

    def database(self, live: Live, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect to the PostgreSQL whose outputs begin with a name, with the password of now.

        Raises
        ------
        OrreryError
            It does not answer; on AWS it is in a private network.
        """
        import psycopg

        from infra.errors import OrreryError

        secret_id = live.outputs[f"{name}_secret"]
        answer = live.client("secretsmanager", self.regions[0]).get_secret_value(SecretId=secret_id)
        secret = json.loads(answer["SecretString"])
        try:
            return psycopg.connect(
                host=live.outputs[f"{name}_host"],
                port=live.outputs[f"{name}_port"],
                dbname=live.outputs[f"{name}_name"],
                user=secret["username"],
                password=secret["password"],
                connect_timeout=10,
            )
        except psycopg.OperationalError as error:
            here = "make status shows whether postgres runs"
            raise OrreryError(
                f"the database {name} does not answer",
                next_step=here if self.target.local else "run the command from within its private network",
                details=str(error),
            ) from error
