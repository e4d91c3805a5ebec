"""10_nova: every change of a shop's database, through Debezium and Kafka, into a warehouse: whole, once, in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.batch import EXAMPLE_DIGEST, BatchStack
from infra.stack import Module

if TYPE_CHECKING:
    from infra.dashboard import Dashboard
    from infra.live import Check, Live

TABLES = ("customers", "orders", "order_lines", "payments")
ENGINES = {"mysql": "mysql", "postgres": "postgresql"}
"""What the stack's setting and what its programs call a source."""
DATABASE, PIPELINE = "nova", "ORRERY_NOVA"
CAPTURE_USER = "nova_capture"
ENDPOINTS = ["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager", "sts"]
NAMESPACE = "Orrery/Nova"
EXAMPLE_PLUGIN = "0123456789abcdef" * 4
DAY_MS = 86_400_000
CA = "/opt/orrery/rds.pem"
"""Where the image has the authorities that sign RDS' certificates: see Dockerfile."""
TELLER = "snowflake-alarms"
"""The role with which Snowflake tells of tasks that failed."""
SMOKE_CHANGES, RUN_CHANGES, RUN_RATE = 60, 6_000, 400
LEVEL_S = 120
ALARMS = {
    "dead-letters": {
        "description": "Messages that don't fit their schema: their transactions wait until somebody looks.",
        "metric": "nova.dead_letter.messages",
        "threshold": 0,
    },
    "errors": {
        "description": "The warehouse has not answered the loader, in ten minutes and the next ten.",
        "metric": "nova.error.count",
        "threshold": 0,
        "period_s": 600,
        "evaluation_periods": 2,
    },
    "unmerged": {
        "description": "Something that was landed has waited for its merge for 15 minutes, or nobody has looked.",
        "metric": "nova.merge.lag",
        "statistic": "Maximum",
        "threshold": 900_000,
        "period_s": 1800,
        "treat_missing": "breaching",
    },
    "behind": {
        "description": "The loader has had more than 100,000 messages before it for ten minutes.",
        "metric": "messaging.kafka.consumer.lag",
        "statistic": "Minimum",
        "threshold": 100_000,
        "period_s": 300,
        "evaluation_periods": 2,
    },
    "silent": {
        "description": "Nothing was landed for 15 minutes, not even Debezium's heartbeat.",
        "metric": "messaging.client.consumed.messages",
        "comparison": "LessThanThreshold",
        "threshold": 1,
        "period_s": 900,
        "treat_missing": "breaching",
    },
}


class Nova(BatchStack):
    """A shop's MySQL or PostgreSQL → Debezium → Kafka → landing table → task: rows now, and every version."""

    @property
    def source(self) -> str:
        """What the shop runs on."""
        from infra.errors import OrreryError

        chosen = str(self.info.settings["source"])
        if chosen not in ENGINES:
            raise OrreryError(
                f"{self.info.id} has no source {chosen!r}", next_step=f"choose one of: {', '.join(ENGINES)}"
            )
        return chosen

    @property
    def prefix(self) -> str:
        """How the topics' names begin."""
        return self.physical("shop")

    def build(self) -> None:
        """Compose the stack, from the shop's database to the warehouse's task."""
        key = self.module(
            "key",
            "key",
            account_id=self.target.account_id,
            name=self.physical("data"),
            description="Everything that 10_nova keeps in AWS: rows, messages, secrets, logs.",
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
            way_out=True,  # Snowflake is not in AWS' network
        )
        alarms = f"arn:aws:cloudwatch:{self.regions[0]}:{self.target.account_id}:alarm:*"
        alerts = self.module(
            "alerts",
            "topic",
            name=self.physical("alerts"),
            kms_key_arn=key.arn,
            allowed_publishers=[{"service": "cloudwatch", "source_arn": alarms}],
        )
        shop = self._shop(key, network)
        stream = self._stream(key, network, alerts)
        login = self._secret("login", key, "What Debezium enters the shop's database with.", CAPTURE_USER)
        # PostgreSQL lets only superusers make users that replicate, RDS lets its master: locally the owner captures.
        entry = shop.secret_arn if self.target.local and self.source == "postgres" else login.arn
        self._capture(key, network, alerts, shop, stream, entry)
        entrance = self._secret(
            "entrance", key, "account, user and private_key with which tasks enter Snowflake.", "nova"
        )
        place = self._warehouse(key, alerts)
        self._tasks(key, network, alerts, stream, shop, {"login": login, "entrance": entrance}, place)
        self.module(
            "alarms",
            "alarm_set",
            name=self.physical("pipeline"),
            topic_arns=[alerts.arn],
            alarms={
                name: {"namespace": NAMESPACE, "dimensions": {"service": "nova"}, **each}
                for name, each in ALARMS.items()
            },
        )
        self._publish(shop, stream, entry, entrance, alerts)

    # -- parts -------------------------------------------------------------------------------------------------

    def _shop(self, key: Module, network: Module) -> Module:
        """The shop's own database, with the log that changes are read from."""
        log = {
            # A transaction's position is read from its name, which is its place in the log; a global number has none.
            "mysql": {"gtid": False},
            "postgres": {"logical_replication": True},
        }
        return self.module(
            "shop",
            self.source,
            name=self.physical("shop"),
            database="shop",
            kms_key_arn=key.arn,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            allowed_security_group_ids=network.security_group_ids,
            deletion_protection=not self.target.disposable,
            **log[self.source],
        )

    def _stream(self, key: Module, network: Module, alerts: Module) -> Module:
        """Kafka, its topics, and who may do what there."""
        tables = {f"{self.prefix}.{each}": {"partitions": 3, "retention_ms": 7 * DAY_MS} for each in TABLES}
        single = {"partitions": 1, "retention_ms": 7 * DAY_MS}
        others = {f"{self.prefix}.{each}": single for each in ("transaction", "notifications")}
        dead = f"{self.prefix}.dead-letters"
        group = f"{self.prefix}-loader"
        return self.module(
            "stream",
            "kafka",
            name=self.physical("stream"),
            kms_key_arn=key.arn,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            allowed_security_group_ids=network.security_group_ids,
            alarm_topic_arns=[alerts.arn],
            topics={**tables, **others, dead: {"partitions": 1, "retention_ms": 30 * DAY_MS}},
            clients={"loader": {"reads": [*tables, *others], "writes": [dead], "groups": [group]}},
            lag_alarms={
                "transactions": {
                    "group": group,
                    "topic": f"{self.prefix}.transaction",
                    "messages": 50_000,
                    "minutes": 10,
                }
            },
        )

    def _secret(self, name: str, key: Module, description: str, user: str) -> Module:
        return self.module(
            name,
            "secret",
            name=self.physical(name),
            description=description,
            kms_key_arn=key.arn,
            # Drawn; for Snowflake a person puts in what opens it.
            generate={"json_key": "password", "json_fields": {"username": user}},
            recovery_window_days=0 if self.target.disposable else 30,
        )

    def _capture(self, key: Module, network: Module, alerts: Module, shop: Module, stream: Module, entry: str) -> None:
        """Debezium, and the bucket with its program."""
        plugins = self.module(
            "plugins",
            "object_store",
            name=self.physical("plugins", globally=True),
            account_id=self.target.account_id,
            kms_key_arn=key.arn,
            force_destroy=self.target.disposable,
        )
        scope = shop.database if self.source == "mysql" else "public"
        beat = {
            "mysql": f"update `{scope}`.heartbeat set beat_at = now(6) where id = 1",
            "postgres": "update heartbeat set beat_at = clock_timestamp() where id = 1",
        }
        own = (
            {"publication.name": "nova", "publication.autocreate.mode": "disabled"} if self.source == "postgres" else {}
        )
        capture = self.module(
            "capture",
            "cdc_connector",
            name=self.physical("capture"),
            kms_key_arn=key.arn,
            engine=self.source,
            host=shop.host,
            port=shop.port,
            database=shop.database,
            secret_arn=entry,
            tables=[f"{scope}.{each}" for each in (*TABLES, "signals", "heartbeat")],
            signal_table=f"{scope}.signals",
            topic_prefix=self.prefix,
            bootstrap_servers=stream.bootstrap_servers,
            cluster_arn=stream.cluster_arn,
            plugin={
                "bucket_arn": plugins.arn,
                "key": self.info.settings["plugin_key"],
                "object_version": self.info.settings["plugin_version"],
                "sha256": self.info.settings["plugin_sha256"],
            },
            subnet_ids=network.subnet_ids,
            security_group_ids=network.security_group_ids,
            alarm_topic_arns=[alerts.arn],
            enabled=bool(self.info.settings["capture"]),
            config={
                **own,
                # As text: not every reader of JSON takes a number's digits as they are.
                "decimal.handling.mode": "string",
                # A change of its own each second: what is merged is known to be so even while the shop sleeps.
                "heartbeat.interval.ms": "1000",
                "heartbeat.action.query": beat[self.source],
                "notification.enabled.channels": "sink",
                "notification.sink.topic.name": f"{self.prefix}.notifications",
                "poll.interval.ms": "50",
                "skipped.operations": "none",  # a TRUNCATE must not pass unseen; by default it does
                "tombstones.on.delete": "false",
                "transforms": "plain",
                "transforms.plain.type": "org.apache.kafka.connect.transforms.RegexRouter",
                "transforms.plain.regex": r"(.*)\.[^.]+\.([a-z_]+)",
                "transforms.plain.replacement": "$1.$2",
            },
        )
        self.output("plugins_bucket", plugins.name, "Where Debezium's ZIP belongs.")
        self.output("connector", capture.connector, "Name and settings of the connector.")

    def _warehouse(self, key: Module, alerts: Module) -> dict[str, Any]:
        """Snowflake: a warehouse, landing tables with their stream, the task that merges; return where it is."""
        from nova import warehouse

        name = self.physical("data").upper().replace("-", "_")
        place = {
            "database": name,
            "warehouse": f"{name}_LOAD",
            "role": f"{PIPELINE}_LOADER",
            "merger": f"{PIPELINE}_MERGER",
        }
        if not self.info.settings["make_warehouse"]:
            if user := str(self.info.settings["alarm_user_arn"]):
                self._teller(user, str(self.info.settings["alarm_external_id"]), key, alerts)
            return place
        made = self.module(
            "warehouse",
            "snowflake_warehouse",
            name=f"{name}_LOAD",
            comment="10_nova: a shop's changes",
            credits_per_month=800,  # an X-Small that is awake all month takes 720
            database=name,
            schemas={"MARTS": "What analysts make"},
        )
        pipeline = self.module(
            "pipeline",
            "snowflake_pipeline",
            name=PIPELINE,
            comment="10_nova: current rows and every version",
            database=made.database,
            warehouse=made.warehouse,
            landing_schema="NOVA_LANDING",
            stage="FILES",
            landing_tables={
                "MESSAGES": {
                    "comment": "Each Kafka message once",
                    "stream": "ARRIVALS",
                    "columns": warehouse.columns("messages"),
                }
            },
            loader_tables={
                name.upper(): {"comment": comment, "columns": warehouse.columns(name)}
                for name, comment in warehouse.LOADER_TABLES.items()
            },
            target_schemas={
                name.upper(): {"comment": what, "readable": name != "nova_core"}
                for name, what in warehouse.SCHEMAS.items()
                if name != "nova_landing"
            },
            tasks={
                "MERGE": {
                    "comment": "Merges what was landed, whole transactions at once",
                    "watches": ["MESSAGES"],
                    "every_s": 10,
                    "failures_to_suspend": 0,  # a hundred bad seconds must not end it: the alarm tells of each
                    "setup": warehouse.setup_statements(),
                    "statements": warehouse.merge_statements(),
                }
            },
            alarm_topic_arn=alerts.arn,
            alarm_role_arn=f"arn:aws:iam::{self.target.account_id}:role/{self.physical(TELLER)}",
        )
        if pipeline.present:
            self._teller(pipeline.alarm_user_arn, pipeline.alarm_external_id, key, alerts)
            place = {
                "database": made.database,
                "warehouse": made.warehouse,
                "role": pipeline.loader_role,
                "merger": pipeline.merger_role,
            }
        return place

    def _teller(self, user: Any, external_id: Any, key: Module, alerts: Module) -> None:
        """The role that Snowflake takes to tell of tasks that failed."""
        self.module(
            "teller",
            "partner_role",
            name=self.physical(TELLER),
            description="Snowflake tells of tasks that failed",
            principal_arn=user,
            external_id=external_id,
            grants={
                "publish": {"actions": ["sns:Publish"], "resources": [alerts.arn]},
                "encrypt": {"actions": ["kms:Decrypt", "kms:GenerateDataKey"], "resources": [key.arn]},
            },
        )

    def _tasks(
        self,
        key: Module,
        network: Module,
        alerts: Module,
        stream: Module,
        shop: Module,
        secrets: dict[str, Module],
        place: dict[str, Any],
    ) -> None:
        """The container: it loads without a pause, adapts the views, and prepares topics and tables."""
        missed = self.module("missed", "queue", name=self.physical("missed-runs"), kms_key_arn=key.arn)
        image = self.info.settings
        registry = f"{self.target.account_id}.dkr.ecr.{self.regions[0]}.amazonaws.com"
        known = [shop.secret_arn, secrets["login"].arn, secrets["entrance"].arn]
        kafka = ("connect", "read_topics", "write_topics", "use_groups")
        environment = {
            "KAFKA_AUTHENTICATION": stream.authentication,
            "KAFKA_BOOTSTRAP_SERVERS": stream.bootstrap_servers,
            "NOVA_CAPTURE_SECRET_ARN": secrets["login"].arn,
            "NOVA_DATABASE": place["database"],
            "NOVA_SECRET_ARN": secrets["entrance"].arn,
            "NOVA_SNOWFLAKE_MERGER_ROLE": place["merger"],
            "NOVA_SNOWFLAKE_ROLE": place["role"],
            "NOVA_SNOWFLAKE_WAREHOUSE": place["warehouse"],
            "NOVA_SOURCE": ENGINES[self.source],
            "NOVA_SOURCE_CA": CA,
            "NOVA_SOURCE_DATABASE": shop.database,
            "NOVA_SOURCE_HOST": shop.host,
            "NOVA_SOURCE_PORT": shop.port,
            "NOVA_SOURCE_SECRET_ARN": shop.secret_arn,
            "NOVA_TOPICS": stream.topics,
            "NOVA_TOPIC_PREFIX": self.prefix,
        }
        self.module(
            "task",
            "scheduled_task",
            name=self.physical("task"),
            image=f"{registry}/{image['image_repository']}@{image['image_digest']}",
            kms_key_arn=key.arn,
            alarm_topic_arn=alerts.arn,
            subnet_ids=network.subnet_ids,
            security_group_ids=network.security_group_ids,
            dead_letter={"queue_arn": missed.arn},
            heartbeat_pattern='{ $.event = "finished" }',
            environment={name: value for name, value in environment.items() if value is not None},
            schedules={
                # Each takes over from the one before: of two loaders, the newer one goes on.
                "load": {
                    "command": ["load", "--seconds", "900"],
                    "description": "Lands what Debezium says.",
                    "expression": "rate(10 minutes)",
                },
                "views": {
                    "command": ["views", "sync"],
                    "description": "Brings the typed views to the source's columns; tells what waits for its merge.",
                    "expression": "rate(15 minutes)",
                },
                "prepare": {
                    "command": ["prepare"],
                    "description": "Makes topics, tables and the user that captures; nothing where they are there.",
                    "expression": "rate(1 day)",
                },
            },
            cpu=1024,
            memory_mb=2048,
            grants={
                "secrets": {
                    "actions": ["secretsmanager:GetSecretValue"],
                    "resources": [each for each in known if each is not None],
                },
                "data_key": {"actions": ["kms:Decrypt"], "resources": [key.arn]},
                **{f"kafka_{name}": stream.grants["loader"][name] for name in kafka},
                "kafka_make_topics": stream.admin_grants["make_topics"],
                # The way back: a connector that has forgotten its place begins with a snapshot.
                "kafka_forget_place": {
                    "actions": ["kafka-cluster:DeleteTopic", "kafka-cluster:DescribeTopic"],
                    "resources": [
                        f"arn:aws:kafka:{self.regions[0]}:{self.target.account_id}:topic/{self.physical('stream')}/*/"
                        f"{self.prefix}.connect-offsets"
                    ],
                },
            },
        )

    def _publish(self, shop: Module, stream: Module, entry: str, entrance: Module, alerts: Module) -> None:
        self.output("source", self.source, "What the shop runs on.")
        self.output("shop_host", shop.host, "The shop's database server.")
        self.output("shop_port", shop.port, "Its port.")
        self.output("shop_name", shop.database, "Its database.")
        self.output("shop_secret", shop.secret_arn, "The secret with its user and password.")
        self.output("login_secret", entry, "The secret with which Debezium enters it.")
        self.output("entrance_secret", entrance.arn, "The secret with what opens Snowflake.")
        self.output("bootstrap_servers", stream.bootstrap_servers, "Where Kafka is.")
        self.output("authentication", stream.authentication, "How clients log in there.")
        self.output("topics", stream.topics, "What the topics are.")
        self.output("alerts", alerts.arn, "Where the alarms go: subscribe your address.")

    # -- what it does once it is deployed ----------------------------------------------------------------------

    def smoke(self, live: Live) -> Iterable[Check]:
        """Let the shop sell something, and find it in the warehouse as it is in the shop, every version."""
        from infra.live import Check

        if not self.target.local:
            settings = self.info.settings
            for what, example, given in (
                ("an image is named", EXAMPLE_DIGEST, str(settings["image_digest"])),
                ("Debezium's ZIP is named", EXAMPLE_PLUGIN, str(settings["plugin_sha256"])),
            ):
                yield Check(what, given != example, given if given != example else "the README says how to make it")
            return
        self._prepare(live)
        with self._following(live):
            self._workload(live, SMOKE_CHANGES, 0)
            seconds = self._level(live)
        yield Check("the warehouse has what the shop committed", True, f"level after {seconds:.1f} s")
        yield from self._compared(live)

    def run(self, live: Live, data: Path | None) -> None:
        """Let the shop work, and print what became of its changes, how late they were, and whether all are right."""
        from infra.errors import OrreryError

        if not self.target.local:
            raise OrreryError(
                f"{self.info.id} is fed from within its private network on AWS",
                next_step="let the shop work; the stack's README says how to watch it",
            )
        if data:
            raise OrreryError(
                f"{self.info.id} takes no file: its data are the changes of a database",
                next_step=f"make run STACK={self.info.id}",
            )
        self._prepare(live)
        with tempfile.TemporaryDirectory(prefix="nova-") as folder:
            lags = Path(folder) / "lags"
            with self._following(live, "--lags", str(lags)):
                done = self._workload(live, RUN_CHANGES, RUN_RATE)
                seconds = self._level(live)
            live.ui.say(
                f"{done.get('changes', 0):,} changes of rows in {done.get('transactions', 0):,} transactions;"
                f" the warehouse was level {seconds:.1f} s after the last."
            )
            live.ui.say(_told(lags))
        counts = self._ask(live, COUNTS)
        live.ui.table(["table", "rows", "versions"], [[str(value) for value in row] for row in counts])
        found = self._compared(live)
        for each in found:
            if not each.ok:
                raise OrreryError(each.seen, next_step="run it again with --verbose")
            live.ui.say(f"  {each.name}: {each.seen}")

    def check(self, live: Live, exercise: int) -> Iterable[Check]:
        """Compare what the user made in the warehouse with what the layers below say."""
        from nova.exercises import EXERCISES

        from infra.exercises import checked

        if exercise not in EXERCISES:
            yield from super().check(live, exercise)
        yield from checked(EXERCISES[exercise], lambda query: self._ask(live, query))

    def dashboard(self, live: Live) -> Dashboard:
        """Show what the shop sold, how its rows changed, and how late the warehouse was."""
        from nova.dashboard import read

        return read(lambda query: self._ask(live, query))

    def clear(self, live: Live) -> None:
        """Remove the schemas from the local warehouse."""
        self._run(live, "nova.pipeline", "clear")

    def next_steps(self) -> list[str]:
        """Return what to try next."""
        name = self.info.id
        return [
            f"make run STACK={name}                 6,000 changes, as the shop makes them, into the warehouse",
            f"make dashboard STACK={name}           what changed, and how late it arrived",
            f"make destroy STACK={name}",
        ]

    # -- a change's way, locally -------------------------------------------------------------------------------

    def _environment(self, live: Live) -> dict[str, str]:
        """Return how the programs find everything on this machine."""
        from infra import deploy
        from infra.paths import ROOT

        snowflake = deploy.cloud().endpoint("snowflake")
        return {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.info.path / "src")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CONNECT_URL": deploy.cloud().endpoint("debezium").url,
            "KAFKA_BOOTSTRAP_SERVERS": str(live.outputs["bootstrap_servers"]),
            "KAFKA_AUTHENTICATION": str(live.outputs["authentication"]),
            "NOVA_DATABASE": DATABASE,
            "NOVA_SECRET_ARN": str(live.outputs["entrance_secret"]),
            "NOVA_SNOWFLAKE_HOST": snowflake.host,
            "NOVA_SNOWFLAKE_PORT": str(snowflake.port),
            "NOVA_SNOWFLAKE_PROTOCOL": "http",
            "NOVA_SOURCE": ENGINES[str(live.outputs["source"])],
            "NOVA_SOURCE_HOST": str(live.outputs["shop_host"]),
            "NOVA_SOURCE_PORT": str(live.outputs["shop_port"]),
            "NOVA_SOURCE_DATABASE": str(live.outputs["shop_name"]),
            "NOVA_SOURCE_SECRET_ARN": str(live.outputs["shop_secret"]),
            "NOVA_TOPIC_PREFIX": self.prefix,
        }

    def _command(self, live: Live, module: str, *arguments: str) -> list[str]:
        from infra import envs

        return [str(envs.ensure("nova", say=live.ui.note)), "-P", "-u", "-m", module, *arguments]

    def _run(self, live: Live, module: str, *arguments: str) -> list[dict[str, Any]]:
        """Run one of the stack's programs, and return what it logged."""
        return self.run_task(
            live, self._command(live, module, *arguments), self._environment(live), f"{module} {arguments[0]}"
        )

    def _prepare(self, live: Live) -> None:
        """Make the shop's tables and the connector; nothing where they are there."""
        login = str(live.outputs["login_secret"])
        captures = ["--capture-secret", login] if login != live.outputs["shop_secret"] else []
        self._run(live, "nova.source", "make", *captures)
        connector = str(live.outputs["connector"])
        with tempfile.TemporaryDirectory(prefix="nova-") as folder:
            file = Path(folder) / "connector.json"
            file.write_text(connector)
            self._run(live, "jobs.connectors", "apply", "--connector", str(file))
        self._run(live, "jobs.connectors", "wait", str(json.loads(connector)["name"]))
        self._run(live, "nova.merge", "--once")  # makes the warehouse's tables: whoever looks there next finds them

    @contextmanager
    def _following(self, live: Live, *arguments: str) -> Iterator[None]:
        """Land and merge meanwhile, as the loader's task and Snowflake's do in an account."""
        from infra.errors import OrreryError

        command = self._command(live, "nova.pipeline", "follow", *arguments)
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                command, env=self._whole_environment(live), stdout=said, stderr=subprocess.STDOUT, text=True
            )
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                code = process.wait(timeout=60)
                said.seek(0)
                lines = said.read().splitlines()
        if code:
            errors = [line for line in lines if '"level": "error"' in line] or lines[-1:] or ["it said nothing"]
            raise OrreryError(
                f"loader or merge failed: {errors[-1][:600]}",
                next_step="run it again: it goes on where it stopped; --verbose shows all that it said",
                details="\n".join(lines),
            )

    def _workload(self, live: Live, changes: int, rate: float) -> dict[str, Any]:
        """Let the shop work, and return what it did."""
        import time

        seed = str(time.time_ns() // 1_000_000)
        arguments = ["run", "--changes", str(changes), "--seed", seed, *(["--rate", str(rate)] if rate else [])]
        logged = self._run(live, "nova.workload", *arguments)
        return next(line for line in logged if line["event"] == "worked")

    def _level(self, live: Live) -> float:
        """Wait until all is merged that the shop has committed, and bring the views to its columns."""
        logged = self._run(live, "nova.pipeline", "wait", "--seconds", str(LEVEL_S))
        self._run(live, "nova.views", "sync")
        return float(next(line["seconds"] for line in logged if line["event"] == "level"))

    def _compared(self, live: Live) -> list[Check]:
        """Compare shop and warehouse: every row as it is now, and every version with the shop's own account of it."""
        from infra.errors import OrreryError
        from infra.live import Check

        try:
            logged = self._run(live, "nova.compare", "--history")
        except OrreryError as error:
            return [Check("rows and versions are as in the shop", False, str(error))]
        return [Check(line["name"], line["ok"], line["seen"]) for line in logged if line["event"] == "compared"]

    def _whole_environment(self, live: Live) -> dict[str, str]:
        """Return all that a program of the stack gets, and no more of this process's environment than it needs."""
        own = {"HOME": os.environ.get("HOME", "/"), "PATH": os.environ.get("PATH", os.defpath)}
        return {**own, **live.target.environment, **self._environment(live)}

    def _ask(self, live: Live, query: str) -> Sequence[tuple[Any, ...]]:
        """Ask the warehouse."""
        (line,) = [each for each in self._run(live, "nova.ask", query) if each["event"] == "asked"]
        if "error" in line:
            raise ValueError(line["error"])
        return [tuple(row) for row in line["rows"]]


COUNTS = """
select t.source_table, coalesce(r.n, 0), coalesce(v.n, 0)
from nova_core.tables as t
left join (select source_table, count(*) as n from nova_core.current_rows group by 1) as r
    on t.source_table = r.source_table
left join (select source_table, count(*) as n from nova_core.versions group by 1) as v
    on t.source_table = v.source_table
order by t.source_table
"""


def _told(path: Path) -> str:
    """Say how old changes were when they became visible."""
    lags = sorted(float(line) for line in path.read_text().splitlines()) if path.exists() else []
    if not lags:
        return "No change was merged while the shop worked."
    p50, p95, p99 = (lags[min(len(lags) - 1, int(len(lags) * part))] / 1000 for part in (0.5, 0.95, 0.99))
    return (
        f"From the change in the shop to the warehouse: {p50:.2f} s (median), {p95:.2f} s (95 %), {p99:.2f} s (99 %)."
    )
