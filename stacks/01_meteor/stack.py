"""01_meteor: a CSV dropped in a bucket is cleaned and loaded into PostgreSQL, once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.stack import Module, Stack

if TYPE_CHECKING:
    from infra.live import Check, Live

LANDING, QUARANTINE = "incoming/", "quarantine/"
ZONES = ["us-east-1a", "us-east-1b"]


class Meteor(Stack):
    """Landing bucket → event → function → PostgreSQL, and a daily sweep for what no event delivered."""

    regions = ("us-east-1",)

    def build(self) -> None:
        """Compose the stack, from the key to the alarms."""
        key = self.module(
            "key",
            "key",
            account_id=self.target.account_id,
            name=self.physical("data"),
            description="Everything that 01_meteor keeps: files, rows, secrets, logs.",
            services=["cloudwatch", "logs", "sns"],
            deletion_window_days=7 if self.target.disposable else 30,
        )
        network = self.module(
            "network",
            "network",
            name=self.physical("network"),
            availability_zones=ZONES,
            kms_key_arn=key.arn,
            interface_endpoints=["secretsmanager"],  # all the loader needs beside S3, which has a gateway
        )
        database = self.module(
            "database",
            "postgres",
            name=self.physical("launches"),
            database="launches",
            kms_key_arn=key.arn,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            allowed_security_group_ids=network.security_group_ids,
            instance_class="db.t4g.micro",
            multi_az=False,  # a day's load can be repeated; the standby would double the bill
            deletion_protection=not self.target.disposable,
        )
        alerts = self.module(
            "alerts",
            "topic",
            name=self.physical("alerts"),
            kms_key_arn=key.arn,
            allowed_publishers=[{"service": "cloudwatch", "source_arn": self._arn("cloudwatch", "alarm:*")}],
        )
        bucket = self.physical("landing", globally=True)
        loader = self._loader(bucket, key, network, database, alerts)
        landing = self.module(
            "landing",
            "object_store",
            name=bucket,
            account_id=self.target.account_id,
            kms_key_arn=key.arn,
            force_destroy=self.target.disposable,
            function_notifications={"loader": {"function_arn": loader.arn, "prefix": LANDING}},
            lifecycle_rules={
                "age-landing": {
                    "prefix": LANDING,
                    "transitions": [{"after_days": 90, "storage_class": "STANDARD_IA"}],
                },
                "expire-quarantine": {"prefix": QUARANTINE, "expire_after_days": 365},
            },
        )
        missed = self.module("missed", "queue", name=self.physical("missed-sweeps"), kms_key_arn=key.arn)
        self.module(
            "daily",
            "schedule",
            name=self.physical("daily-sweep"),
            description="Loads the files that no event delivered.",
            expression="cron(15 5 * * ? *)",
            target_arn=loader.arn,
            input=json.dumps({"sweep": True}),
            kms_key_arn=key.arn,
            dead_letter={"queue_arn": missed.arn},
        )
        self._alarms(alerts)

        self.output("landing_bucket", landing.name, f"Drop CSV files below {LANDING} in this bucket.")
        self.output("loader", loader.name, "The function that loads them.")
        self.output("loader_dlq", loader.dlq_url, "Events that the function could not handle.")
        self.output("database_host", database.host, "The PostgreSQL server.")
        self.output("database_port", database.port, "Its port.")
        self.output("database_name", database.database, "The database.")
        self.output("database_secret", database.secret_arn, "The secret with its user and password.")
        self.output("alerts", alerts.arn, "Where the alarms go: subscribe your address.")

    def smoke(self, live: Live) -> Iterable[Check]:
        """Drop a small file with one good, one doubled and one impossible launch; wait for its balance."""
        from infra.live import Check

        text = (
            "Company,Location,Date,Time,Rocket,Mission,RocketStatus,Price,MissionStatus\r\n"
            f"Orrery,Pad 1,10/4/1957,19:28:00,Smoke,Check {time.time_ns()},Retired,,Success\r\n"
        )
        good = text.splitlines()[1]
        content = f"{text}{good}\r\nOrrery,Pad 1,2/30/1999,19:28:00,Smoke,Impossible,Retired,,Success\r\n".encode()
        key = f"{LANDING}smoke/{hashlib.sha256(content).hexdigest()[:12]}.csv"
        self._drop(live, key, content)
        found = self._outcome(live, key)
        counts = [found[name] for name in ("read", "loaded", "updated", "duplicate", "quarantined")]
        balanced = counts[0] == sum(counts[1:])
        yield Check("a dropped file is loaded by its event", found["status"] == "loaded", found["status"])
        seen = "{} read = {} loaded + {} updated + {} duplicate + {} quarantined".format(*counts)
        yield Check("its balance adds up", balanced and counts == [3, 1, 0, 1, 1], seen)
        yield Check("the impossible date is in quarantine", bool(found["reasons"]), ", ".join(found["reasons"]))

    def run(self, live: Live, data: Path | None) -> None:
        """Drop a file and print what became of each of its rows."""
        from meteor.report import format_balance

        path = data or self._generated(live)
        # A name of its own for each run: the answer must be about this delivery, not about an earlier one.
        key = f"{LANDING}{time.strftime('%Y%m%dT%H%M%S')}-{path.name}"
        live.ui.say(f"s3://{live.outputs['landing_bucket']}/{key}  ({path.stat().st_size:,} bytes)")
        self._drop(live, key, path)
        found = self._outcome(live, key)
        live.ui.say(format_balance(found))
        after = self._ask(live, key)
        live.ui.say(f"In the database: {after['totals']['launches']:,} launches. The busiest companies:")
        columns = ["company", "launches", "successes", "from", "to"]
        live.ui.table(columns, after["companies"])
        if after["quarantine"] and found["quarantined"]:
            live.ui.say("Quarantined, for example:")
            live.ui.table(["line", "reason", "as it came"], [[a, b, str(c)[:90]] for a, b, c in after["quarantine"]])

    def next_steps(self) -> list[str]:
        """Return what to try next."""
        name = self.info.id
        return [
            f"make run STACK={name}                          5,000 generated launches, as quirky as the real ones",
            f"make run STACK={name} DATA=space_missions.csv  the public file, as you downloaded it",
            f"make destroy STACK={name}",
        ]

    # -- parts -------------------------------------------------------------------------------------------------

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.regions[0]}:{self.target.account_id}:{rest}"

    def _loader(self, bucket: str, key: Module, network: Module, database: Module, alerts: Module) -> Module:
        """The function, and exactly what it may do."""
        package = self.package("meteor_loader", ["jobs", "meteor"])
        bucket_arn = f"arn:aws:s3:::{bucket}"
        return self.module(
            "loader",
            "function",
            name=self.physical("loader"),
            description="Cleans launch files and loads them into PostgreSQL.",
            package_path=package.path,
            package_sha256=package.sha256,
            package_bytes=package.size,
            runtime=package.runtime,
            handler="handler.handler",
            memory_mb=1024,
            timeout_s=900,
            reserved_concurrency=5,  # the database's connections, not the function's speed, are the limit
            kms_key_arn=key.arn,
            alarm_topic_arn=alerts.arn,
            subnet_ids=network.subnet_ids,
            security_group_ids=network.security_group_ids,
            environment={
                "LANDING_BUCKET": bucket,
                "LANDING_PREFIX": LANDING,
                "QUARANTINE_PREFIX": QUARANTINE,
                "DB_HOST": database.host,
                "DB_PORT": f"{database.port}",
                "DB_NAME": database.database,
                "DB_SECRET_ARN": database.secret_arn,
                "DB_SSLMODE": "prefer" if self.target.local else "require",
            },
            grants={
                "read_landing": {
                    "actions": ["s3:GetObject", "s3:GetObjectVersion"],
                    "resources": [f"{bucket_arn}/{LANDING}*"],
                },
                "list_landing": {"actions": ["s3:ListBucket"], "resources": [bucket_arn]},
                "write_quarantine": {
                    "actions": ["s3:AbortMultipartUpload", "s3:PutObject"],
                    "resources": [f"{bucket_arn}/{QUARANTINE}*"],
                },
                "database_password": {
                    "actions": ["secretsmanager:GetSecretValue"],
                    "resources": [database.secret_arn],
                },
                "data_key": {"actions": ["kms:Decrypt", "kms:GenerateDataKey"], "resources": [key.arn]},
            },
        )

    def _alarms(self, alerts: Module) -> None:
        """What the function's own alarms (errors, throttles, dead letters) can't see: bad data, and no data."""
        dimensions = {"Function": "meteor_loader"}
        self.module(
            "alarms",
            "alarm_set",
            name=self.physical("data"),
            topic_arns=[alerts.arn],
            alarms={
                "file-rejected": {
                    "description": "A whole file was refused; it lies in quarantine with its reason.",
                    "namespace": "Orrery/Meteor",
                    "metric": "FilesRejected",
                    "dimensions": dimensions,
                    "threshold": 0,
                },
                "rows-quarantined": {
                    "description": "More than 1,000 rows of an hour are in quarantine.",
                    "namespace": "Orrery/Meteor",
                    "metric": "RowsQuarantined",
                    "dimensions": dimensions,
                    "threshold": 1000,
                    "period_s": 3600,
                },
            },
        )

    # -- a file's way ------------------------------------------------------------------------------------------

    def _generated(self, live: Live) -> Path:
        """Write 5,000 launches with the quirks of the public file; the same ones each time."""
        from infra import envs
        from infra.errors import OrreryError
        from infra.paths import CACHE, ROOT

        path = CACHE / "meteor" / "launches-5000.csv"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            python = envs.ensure("meteor", say=live.ui.note)
            with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
                written = Path(scratch) / path.name
                command = [str(python), "-P", "-m", "meteor.generate", "--rows", "5000", "--seed", "7"]
                live.ui.command(command)
                search = os.pathsep.join([str(ROOT), str(self.info.path / "src")])
                done = subprocess.run(
                    [*command, "--out", str(written)],
                    env={**os.environ, "PYTHONPATH": search},
                    capture_output=True,
                    text=True,
                )
                if done.returncode:
                    raise OrreryError(
                        "the generator failed", next_step="see --verbose", details=done.stdout + done.stderr
                    )
                written.replace(path)
        return path

    def _drop(self, live: Live, key: str, content: bytes | Path) -> None:
        """Put a file into the landing bucket; the bucket encrypts it, and the event does the rest."""
        s3, bucket = live.client("s3", self.regions[0]), live.outputs["landing_bucket"]
        if isinstance(content, Path):
            s3.upload_file(str(content), bucket, key)
        else:
            s3.put_object(Bucket=bucket, Key=key, Body=content)

    def _ask(self, live: Live, key: str) -> dict[str, Any]:
        """Ask the loader what became of a file: the database is in a private network, the function is in it too."""
        from infra.errors import OrreryError

        payload = json.dumps({"report": key}).encode()
        client = live.client("lambda", self.regions[0])
        answer = client.invoke(FunctionName=live.outputs["loader"], Payload=payload)
        body: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise OrreryError(
                f"the loader failed: {body.get('errorMessage', body)}",
                next_step="make logs SERVICE=aws shows its log",
                details="\n".join(body.get("stackTrace", [])),
            )
        return body

    def _outcome(self, live: Live, key: str) -> dict[str, Any]:
        """Wait until the ledger knows a file, and return its record."""

        def delivered() -> dict[str, Any] | None:
            found: dict[str, Any] | None = self._ask(live, key)["file"]
            return found

        return live.wait(f"{key} to be loaded", delivered, timeout_s=900)
