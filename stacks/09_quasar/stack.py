"""09_quasar: telemetry through Kafka into a fast layer and an exact one, and why the two differ, window by window."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.batch import EXAMPLE_DIGEST, BatchStack
from infra.stack import Module

if TYPE_CHECKING:
    from infra.dashboard import Dashboard
    from infra.live import Check, Live

EVENTS, SMOKE = 60_000, 600
SHOWN = 5
"""How many of somebody's own messages that were set aside a run shows."""
ARCHIVE = "archive/"
CHECKPOINTS = "checkpoints/"
ENDPOINTS = ["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager", "sts"]
JARS = (  # of the release's Spark and Scala; uploaded once, see the README
    "spark-sql-kafka-0-10_2.12-3.5.5.jar",
    "spark-token-provider-kafka-0-10_2.12-3.5.5.jar",
    "kafka-clients-3.4.1.jar",
    "commons-pool2-2.11.1.jar",
    "aws-msk-iam-auth-2.3.2-all.jar",
)
LARGEST_BATCH = 128 * 1024
"""In bytes, as a gateway sends it: an event has 300. What bounds it bounds the layers' memory, which count messages."""
RDS_AUTHORITIES = "/usr/share/orrery/rds.pem"
"""Where the image has the authorities that sign RDS' certificates: see Dockerfile."""
SIZE = {
    f"spark.{part}.{setting}": value
    for part in ("driver", "executor")
    # Python's workers are beside the heap, in the overhead. 11 + 5 GB of memory for 4 vCPUs is a size that EMR has.
    for setting, value in {"cores": "4", "memory": "11g", "memoryOverhead": "5g"}.items()
}
SIZE |= {f"spark.emr-serverless.{part}.disk": "20g" for part in ("driver", "executor")}
MAXIMUM = {"vcpus": 32, "memory_gb": 128, "disk_gb": 160}
"""Both layers at once, a driver each, and two and four executors: for what is missing they would wait without end."""
NAMESPACE = "Orrery/Quasar"
LAYERS = {"archive": "The archive, whose loss nothing makes good,", "windows": "The speed layer"}
ALARMS = {
    "unexplained": {
        "description": "Windows in which speed and batch differ by more than what came late: one of them is wrong.",
        "metric": "quasar.reconciliation.unexplained",
        "dimensions": {"Service": "reconcile"},
        "statistic": "Maximum",
        "threshold": 0,
        "period_s": 3600,
    },
    "difference": {
        "description": "The speed layer left out more than 5 % of the events: they come later than its two minutes.",
        "metric": "quasar.reconciliation.difference",
        "dimensions": {"Service": "reconcile"},
        "statistic": "Maximum",
        "threshold": 5,
        "period_s": 3600,
    },
    "waiting": {
        "description": "Windows more than a day old can't be compared: one of the layers stands still.",
        "metric": "quasar.reconciliation.waiting",
        "dimensions": {"Service": "reconcile"},
        "statistic": "Maximum",
        "threshold": 0,
        "period_s": 3600,
    },
    "dead-letters": {
        "description": "More than 10,000 messages of an hour can't be used.",
        "metric": "quasar.dead_letters",
        "dimensions": {"Service": "archive"},
        "threshold": 10_000,
        "period_s": 3600,
    },
    **{
        f"behind-{service}": {
            "description": f"{what} has had more than a million messages before it for ten minutes.",
            "metric": "messaging.kafka.consumer.lag",
            "dimensions": {"Service": service},
            "statistic": "Minimum",
            "threshold": 1_000_000,
            "period_s": 300,
            "evaluation_periods": 2,
        }
        for service, what in LAYERS.items()
    },
    **{
        f"silent-{service}": {
            "description": f"{what} has read nothing for 15 minutes.",
            "metric": "messaging.client.consumed.messages",
            "dimensions": {"Service": service},
            "comparison": "LessThanThreshold",
            "threshold": 1,
            "period_s": 900,
            "treat_missing": "breaching",
        }
        for service, what in LAYERS.items()
    },
}


class Quasar(BatchStack):
    """Gateways → Kafka → speed layer and archive → batch layer → one view, and a reconciliation of both."""

    zones = ("us-east-1a", "us-east-1b", "us-east-1c")

    @property
    def bucket(self) -> str:
        """The archive's name."""
        return self.physical("archive", globally=True)

    @property
    def topic(self) -> str:
        """The topic of the telemetry."""
        return self.physical("telemetry")

    @property
    def dead_letters(self) -> str:
        """The topic of what can't be used."""
        return self.physical("telemetry.dead-letters")

    def build(self) -> None:
        """Compose the stack, from the key to the alarms."""
        key = self.module(
            "key",
            "key",
            account_id=self.target.account_id,
            name=self.physical("data"),
            description="Everything that 09_quasar keeps: messages, files, rows, secrets, logs.",
            services=["cloudwatch", "logs", "sns"],
            deletion_window_days=7 if self.target.disposable else 30,
        )
        network = self.module(
            "network",
            "network",
            name=self.physical("network"),
            availability_zones=list(self.zones),
            kms_key_arn=key.arn,
            interface_endpoints=ENDPOINTS,
        )
        alarms = f"arn:aws:cloudwatch:{self.regions[0]}:{self.target.account_id}:alarm:*"
        alerts = self.module(
            "alerts",
            "topic",
            name=self.physical("alerts"),
            kms_key_arn=key.arn,
            allowed_publishers=[{"service": "cloudwatch", "source_arn": alarms}],
        )
        archive = self.module(
            "archive",
            "object_store",
            name=self.bucket,
            account_id=self.target.account_id,
            kms_key_arn=key.arn,
            force_destroy=self.target.disposable,
            lifecycle_rules={
                "age-archive": {
                    "prefix": ARCHIVE,
                    "transitions": [{"after_days": 90, "storage_class": "STANDARD_IA"}],
                },
            },
        )
        stream = self._stream(key, network, alerts)
        store = self.module(
            "store",
            "postgres",
            name=self.physical("windows"),
            database="telemetry",
            kms_key_arn=key.arn,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            allowed_security_group_ids=network.security_group_ids,
            deletion_protection=not self.target.disposable,
        )
        missed = self.module("missed", "queue", name=self.physical("missed-runs"), kms_key_arn=key.arn)
        layers = self._jobs(key, network, alerts, archive, stream, store, missed)
        self.module(
            "alarms",
            "alarm_set",
            name=self.physical("layers"),
            topic_arns=[alerts.arn],
            alarms={name: {"namespace": NAMESPACE, **alarm} for name, alarm in ALARMS.items()},
        )
        self.output("archive_bucket", archive.name, f"Every message, as Parquet below {ARCHIVE}.")
        self.output("bootstrap_servers", stream.bootstrap_servers, "Where the gateways send to.")
        self.output("authentication", stream.authentication, "How they log in.")
        self.output("topics", stream.topics, "What the topics are.")
        self.output("store_host", store.host, "The PostgreSQL server with the windows.")
        self.output("store_port", store.port, "Its port.")
        self.output("store_name", store.database, "Its database.")
        self.output("store_secret", store.secret_arn, "The secret with its user and password.")
        self.output("start_requests", layers.start_requests, "What starts each job on EMR Serverless.")
        self.output("alerts", alerts.arn, "Where the alarms go: subscribe your address.")

    def smoke(self, live: Live) -> Iterable[Check]:
        """Send a few events through both layers and find each where it belongs."""
        from infra.live import Check

        if not self.target.local:
            digest = str(self.info.settings["image_digest"])
            named = digest != EXAMPLE_DIGEST
            yield Check("an image is named", named, digest if named else "build Dockerfile, push it, name it")
            s3, key = live.client("s3", self.regions[0]), "probe/orrery"
            s3.put_object(Bucket=live.outputs["archive_bucket"], Key=key, Body=b"orrery")
            found = s3.get_object(Bucket=live.outputs["archive_bucket"], Key=key)["Body"].read()
            yield Check("the archive gives back what is written", found == b"orrery", f"{len(found)} bytes")
            return
        self._simulate(live, "--events", str(SMOKE))
        done = self._layers(live)
        totals = done["reconciliation"]
        yield Check("every message is loaded, a copy or malformed", self._adds_up(totals), self._balance(totals))
        wrong = self._against_the_journal(live)
        yield Check("every window is as the journal of what was sent has it", not wrong, wrong)
        seen = f"{totals['unexplained']} windows, {totals['late']} late events explain the others"
        yield Check("speed and batch differ by nothing unexplained", totals["unexplained"] == 0, seen)

    def run(self, live: Live, data: Path | None) -> None:
        """Send telemetry, let both layers work, and print what became of every message."""
        if not self.target.local:
            from infra.errors import OrreryError

            raise OrreryError(
                f"{self.info.id} is fed from within its private network on AWS",
                next_step="run quasar.simulate there; the stack's README says how",
            )
        if data and not data.stat().st_size:
            from infra.errors import OrreryError

            raise OrreryError(f"{data} is empty", next_step="write one message a line, as the stack's README shows it")
        started_ms = int(time.time() * 1000)
        sent = self._simulate(live, *(["--file", str(data.resolve())] if data else ["--events", str(EVENTS)]))
        live.ui.say(f"{sent:,} messages sent to {self.topic}.")
        done = self._layers(live)
        totals = done["reconciliation"]
        live.ui.say(self._balance(totals))
        for reason, count in totals["malformed"].items():
            live.ui.say(f"  {count:9,}  {reason}")
        if data:
            self._say_dead_letters(live, started_ms)
        new = f"{done['messages']:,} messages of the days {', '.join(done['days'])}" if done["days"] else "nothing new"
        live.ui.say(f"Batch: {new} in {done['seconds']:.1f} s.")
        live.ui.say(
            f"Speed against batch: {totals['windows']:,} windows, {totals['differing']:,} differ"
            f" by {totals['difference']:,} events = {totals['late']:,} late"
            f" + {totals['difference'] - totals['late']:,} unexplained."
        )
        self._say_differences(live)
        wrong = self._against_the_journal(live)
        if wrong:
            from infra.errors import OrreryError

            raise OrreryError(
                f"the layers are not as the journal has it: {wrong}", next_step="run it again with --verbose"
            )
        mixed = "the topic holds messages of your own, too: the journal can't tell all"
        live.ui.say(mixed if self._journal()[2] else "Every count and sum is as the journal of what was sent has it.")

    def check(self, live: Live, exercise: int) -> Iterable[Check]:
        """Compare what the user made in the store with what the layers say."""
        from quasar.exercises import EXERCISES

        from infra.exercises import checked

        if exercise not in EXERCISES:
            yield from super().check(live, exercise)
        yield from checked(EXERCISES[exercise], lambda query: self._ask(live, query))

    def dashboard(self, live: Live) -> Dashboard:
        """Show the windows, which layer they are of, and why the layers differ."""
        from quasar.dashboard import read

        return read(lambda query: self._ask(live, query))

    def clear(self, live: Live) -> None:
        """Remove checkpoints and journal: they are about topics that go."""
        shutil.rmtree(self._home, ignore_errors=True)

    def next_steps(self) -> list[str]:
        """Return what to try next."""
        name = self.info.id
        return [
            f"make run STACK={name}                    60,000 messages of 4,000 devices, through both layers",
            f"make run STACK={name} DATA=events.jsonl  messages of your own, one a line",
            f"make dashboard STACK={name}              the windows, and why speed and batch differ",
            f"make destroy STACK={name}",
        ]

    # -- parts -------------------------------------------------------------------------------------------------

    def _stream(self, key: Module, network: Module, alerts: Module) -> Module:
        """Kafka, its topics, and who may do what there."""
        return self.module(
            "stream",
            "kafka",
            name=self.physical("stream"),
            kms_key_arn=key.arn,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            allowed_security_group_ids=network.security_group_ids,
            alarm_topic_arns=[alerts.arn],
            topics={
                self.topic: {
                    "partitions": 4 if self.target.disposable else 12,
                    "retention_ms": 3 * 86_400_000,
                    # A gateway's clock is judged by the broker's, not by itself.
                    "timestamp_type": "LogAppendTime",
                    "max_message_bytes": LARGEST_BATCH,
                },
                self.dead_letters: {
                    "partitions": 1 if self.target.disposable else 3,
                    "retention_ms": 14 * 86_400_000,
                    # A letter is its message, and why.
                    "max_message_bytes": 16 * LARGEST_BATCH,
                },
            },
            clients={
                "gateways": {"writes": [self.topic], "groups": [f"{self.topic}-ends"]},
                "layers": {
                    "reads": [self.topic],
                    "writes": [self.dead_letters],
                    "groups": [f"{self.topic}-{name}" for name in ("archive", "ends", "windows")],
                },
            },
        )

    def _jobs(
        self,
        key: Module,
        network: Module,
        alerts: Module,
        archive: Module,
        stream: Module,
        store: Module,
        missed: Module,
    ) -> Module:
        """The two layers on EMR Serverless; the speed layer makes the topics before it reads them."""
        package = self.code("quasar", ["jobs", "quasar"])
        registry = f"{self.target.account_id}.dkr.ecr.{self.regions[0]}.amazonaws.com"
        image = self.info.settings
        bucket = f"arn:aws:s3:::{self.bucket}"
        store_grants = {
            "password": {"actions": ["secretsmanager:GetSecretValue"], "resources": [store.secret_arn]},
            "data_key": {"actions": ["kms:Decrypt", "kms:GenerateDataKey"], "resources": [key.arn]},
            "list_archive": {"actions": ["s3:ListBucket"], "resources": [bucket]},
            "read_archive": {"actions": ["s3:GetObject"], "resources": [f"{bucket}/{ARCHIVE}*"]},
        }
        kafka = ("connect", "read_topics", "write_topics", "use_groups")
        stream_grants = {f"kafka_{name}": stream.grants["layers"][name] for name in kafka}
        return self.module(
            "layers",
            "spark_job",
            name=self.physical("layers"),
            kms_key_arn=key.arn,
            alarm_topic_arn=alerts.arn,
            dead_letter={"queue_arn": missed.arn},
            bucket={"name": archive.name},
            package_path=package.path,
            package_sha256=package.sha256,
            image=f"{registry}/{image['image_repository']}@{image['image_digest']}",
            jars=[f"s3://{self.bucket}/jars/{jar}" for jar in JARS],
            subnet_ids=network.subnet_ids,
            security_group_ids=network.security_group_ids,
            maximum=MAXIMUM,
            environment={
                "AWS_REGION": self.regions[0],
                "KAFKA_AUTHENTICATION": stream.authentication,
                "KAFKA_BOOTSTRAP_SERVERS": stream.bootstrap_servers,
                "KAFKA_TOPICS": stream.topics,
                "QUASAR_TOPIC": self.topic,
                "QUASAR_DEAD_LETTERS": self.dead_letters,
                "QUASAR_BUCKET": self.bucket,
                "QUASAR_SCHEME": "s3",
                "QUASAR_CHECKPOINTS": f"s3://{self.bucket}/{CHECKPOINTS}speed",
                "QUASAR_ARCHIVE_EVERY_S": "60",
                "QUASAR_ARCHIVE_FILES": "4",
                "QUASAR_MAX_PER_TRIGGER": "1000000",
                "QUASAR_SHUFFLE_PARTITIONS": "12",
                "DB_HOST": store.host,
                "DB_PORT": f"{store.port}",
                "DB_NAME": store.database,
                "DB_SECRET_ARN": store.secret_arn,
                "DB_SSLMODE": "verify-full",
                "DB_SSLROOTCERT": RDS_AUTHORITIES,
            },
            jobs={
                "speed": {
                    "description": "The speed layer and the archive",
                    "module": "quasar.speed",
                    "mode": "STREAMING",
                    "heartbeat": {"minutes": 15, "pattern": '{ $.event = "windows" }'},
                    # A stream needs the same all day, and must not take what the batch layer needs.
                    "settings": {
                        **SIZE,
                        "spark.dynamicAllocation.enabled": "false",
                        "spark.executor.instances": "2",
                    },
                    "grants": {
                        **store_grants,
                        **stream_grants,
                        "kafka_make_topics": stream.admin_grants["make_topics"],
                        "write_archive": {
                            "actions": ["s3:AbortMultipartUpload", "s3:PutObject"],
                            "resources": [f"{bucket}/{ARCHIVE}*"],
                        },
                        "checkpoints": {
                            "actions": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
                            "resources": [f"{bucket}/{CHECKPOINTS}*"],
                        },
                    },
                },
                "batch": {
                    "description": "The batch layer and the reconciliation",
                    "module": "quasar.batch",
                    "heartbeat": {"minutes": 1440, "pattern": '{ $.event = "finished" }'},
                    "schedule": {"expression": "cron(30 1 * * ? *)"},
                    "settings": {**SIZE, "spark.dynamicAllocation.maxExecutors": "4"},
                    "grants": store_grants,
                },
            },
        )

    # -- a message's way, locally ------------------------------------------------------------------------------

    @property
    def _home(self) -> Path:
        """Where checkpoints and journal lie on this machine."""
        from infra.paths import LOCAL

        return LOCAL / "quasar"

    def _journal(self) -> tuple[Any, int, bool]:
        from quasar.journal import read

        return read(self._home / "journal.jsonl")

    def _simulate(self, live: Live, *arguments: str) -> int:
        """Send messages; return how many."""
        from infra import envs

        self._home.mkdir(parents=True, exist_ok=True)
        python = envs.ensure("kafka", say=live.ui.note)
        command = [str(python), "-P", "-m", "quasar.simulate", "--topic", self.topic]
        command += ["--journal", str(self._home / "journal.jsonl"), *arguments]
        logged = self.run_task(live, command, self._environment(live), "sending telemetry")
        return int(
            next(line.get("sent", line.get("lines")) for line in logged if line["event"] in ("simulated", "sent"))
        )

    def _layers(self, live: Live) -> dict[str, Any]:
        """Let the speed layer catch up, and the batch layer work out what it has to; return what it said."""
        from infra.local import spark

        command = [str(spark.python(live.ui.note)), "-P", "-m", "quasar.once"]
        environment = {**self._environment(live), **spark.environment(self.info.slug)}
        logged = self.run_task(live, command, environment, "both layers")
        (finished,) = [line for line in logged if line["event"] == "finished"]
        return finished

    def _environment(self, live: Live) -> dict[str, str]:
        """Return how the layers find everything on this machine."""
        from infra.paths import ROOT

        return {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.info.path / "src")]),
            "KAFKA_BOOTSTRAP_SERVERS": str(live.outputs["bootstrap_servers"]),
            "KAFKA_AUTHENTICATION": str(live.outputs["authentication"]),
            "QUASAR_TOPIC": self.topic,
            "QUASAR_DEAD_LETTERS": self.dead_letters,
            "QUASAR_BUCKET": str(live.outputs["archive_bucket"]),
            "QUASAR_CHECKPOINTS": str(self._home / "checkpoints"),
            "QUASAR_ARCHIVE_EVERY_S": "1",
            "QUASAR_WINDOWS_EVERY_S": "1",
            "DB_HOST": str(live.outputs["store_host"]),
            "DB_PORT": str(live.outputs["store_port"]),
            "DB_NAME": str(live.outputs["store_name"]),
            "DB_SECRET_ARN": str(live.outputs["store_secret"]),
            "DB_SSLMODE": "prefer",
            "QUASAR_MAX_PER_TRIGGER": "20000",
        }

    def _ask(self, live: Live, query: str) -> list[tuple[Any, ...]]:
        """Ask the store."""
        with self.database(live, "store") as connection:
            return connection.execute(query.encode()).fetchall()

    def _say_differences(self, live: Live) -> None:
        """Print the windows that differ most."""
        rows = self._ask(
            live,
            "SELECT to_char(window_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), kind, speed_events, batch_events,"
            " late, unexplained FROM quasar.reconciliation WHERE difference <> 0"
            " ORDER BY abs(unexplained) DESC, abs(difference) DESC, 1, 2 LIMIT 5",
        )
        if rows:
            live.ui.table(
                ["window", "kind", "speed", "batch", "late", "unexplained"], [list(map(str, row)) for row in rows]
            )

    def _say_dead_letters(self, live: Live, since_ms: int) -> None:
        """Print what exactly was wrong with the newest messages that were set aside since a moment."""
        from infra import envs

        python = str(envs.ensure("kafka", say=live.ui.note))
        command = [python, "-P", "-m", "jobs.dead_letters", self.dead_letters]
        command += ["--most", str(SHOWN), "--since-ms", str(since_ms)]
        rows = [
            [line["reason"], line["message"], json.dumps(line["value"] or "", ensure_ascii=False)[1:-1][:40]]
            for line in self.run_task(live, command, self._environment(live), "asking what was set aside")
            if line["event"] == "dead_letter"
        ]
        if rows:
            live.ui.say(f"Set aside meanwhile, the newest of them (at most {SHOWN}):")
            live.ui.table(["reason", "what exactly", "message"], rows)

    def _balance(self, totals: dict[str, Any]) -> str:
        malformed = sum(totals["malformed"].values())
        return (
            f"{totals['messages']:,} messages = {totals['loaded']:,} loaded + {totals['duplicates']:,} duplicate"
            f" + {malformed:,} malformed"
        )

    def _adds_up(self, totals: dict[str, Any]) -> bool:
        malformed = sum(totals["malformed"].values())
        return bool(totals["messages"] == totals["loaded"] + totals["duplicates"] + malformed)

    def _against_the_journal(self, live: Live) -> str:
        """Compare what is served with what was sent; return the first difference, nothing when there is none."""
        from quasar.compare import MINUTES, TOTALS, difference
        from quasar.truth import truth

        plan, sent, mixed = self._journal()
        if mixed:
            return ""
        return difference(truth(plan, sent), self._ask(live, MINUTES), self._ask(live, TOTALS))
