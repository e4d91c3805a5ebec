"""04_orbit: JPL's asteroids into a warehouse of your choice, and through one dbt project into its marts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.batch import BatchStack, Ground
from infra.stack import Module

if TYPE_CHECKING:
    from infra.dashboard import Dashboard
    from infra.live import Check, Live

STORE = "warehouse/"
LAYERS = {
    "raw": "Records as they arrived, as texts",
    "staging": "Records with types, and why some can't be used",
    "core": "One row for each body and approach",
    "marts": "What analysts read",
}
DATABASE = "orbit"
"""The database of the local warehouses; those in the cloud have the stack's name."""
SMOKE = "9999999"
FAMILIES = """
select family, orbit_class, bodies, hazardous, undecided, approaches, nearest_approach_au
from orbit_marts.hazard_by_family order by bodies desc, orbit_class
"""


class Orbit(BatchStack):
    """Landing bucket → raw tables of Snowflake, BigQuery or DuckDB → dbt: staging, core, marts."""

    @property
    def warehouse(self) -> str:
        """Which warehouse was chosen."""
        from infra.errors import OrreryError

        chosen, known = str(self.info.settings["warehouse"]), ("snowflake", "bigquery", "duckdb")
        if chosen not in known:
            raise OrreryError(
                f"{self.info.id} has no warehouse {chosen!r}", next_step=f"choose one of: {', '.join(known)}"
            )
        return chosen

    def build(self) -> None:
        """Compose the stack, from the key to the schedule."""
        warehouse = self.warehouse
        # Snowflake and BigQuery are not in AWS' network.
        ground = self.ground(
            "Everything that 04_orbit keeps in AWS: files, secrets, logs.", way_out=warehouse != "duckdb"
        )
        entrance, secret = getattr(self, f"_{warehouse}")(ground.key)
        self.announce(ground, self._task(ground, entrance, secret), "files")
        self.output("warehouse", warehouse, "Which warehouse it is.")
        self.output("database", entrance.get("ORBIT_DATABASE"), "Its database, or its project.")
        self.output("secret", secret.arn if secret else None, "The secret with what opens it.")

    # -- the three warehouses ----------------------------------------------------------------------------------

    def _snowflake(self, key: Module) -> tuple[dict[str, Any], Module]:
        """Snowflake: a warehouse with a limit, a database with a schema for each layer, and two roles."""
        name, database = (self.physical(part).upper().replace("-", "_") for part in ("warehouse", "data"))
        entrance = {
            "ORBIT_DATABASE": database,
            "ORBIT_SNOWFLAKE_ROLE": f"{database}_WRITER",
            "ORBIT_SNOWFLAKE_WAREHOUSE": name,
        }
        if self.info.settings["make_warehouse"]:
            made = self.module(
                "warehouse",
                "snowflake_warehouse",
                name=name,
                comment="04_orbit: near-Earth objects",
                credits_per_month=20,
                database=database,
                schemas={f"ORBIT_{layer.upper()}": what for layer, what in LAYERS.items()},
            )
            entrance = {
                "ORBIT_DATABASE": made.database,
                "ORBIT_SNOWFLAKE_ROLE": made.writer_role,
                "ORBIT_SNOWFLAKE_WAREHOUSE": made.warehouse,
            }
        if self.target.local:
            entrance = {"ORBIT_DATABASE": DATABASE}
        return entrance, self._secret(key, "account, user and private_key with which the task enters Snowflake.")

    def _bigquery(self, key: Module) -> tuple[dict[str, Any], Module]:
        """BigQuery: a dataset for each layer, encrypted with a key of the project."""
        from infra.errors import OrreryError

        place = dict(self.info.settings["bigquery"])
        lacking = [name for name in ("project_id", "project_number", "kms_key") if not place[name]]
        if lacking and not self.target.local:
            raise OrreryError(
                f"{self.info.id} with warehouse=bigquery lacks {', '.join(lacking)}",
                next_step="write them into [settings.bigquery] of its stack.toml",
            )
        for layer, what in LAYERS.items() if self.info.settings["make_warehouse"] else ():
            self.module(
                layer,
                "bigquery_dataset",
                name=f"orbit_{layer}",
                description=what,
                project_id=place["project_id"],
                project_number=place["project_number"],
                location=place["location"],
                kms_key=place["kms_key"],
                writers=place["members"],
                labels=self.tags,
            )
        entrance = {"ORBIT_DATABASE": DATABASE if self.target.local else place["project_id"]}
        return entrance, self._secret(key, "The configuration of credentials with which the task enters BigQuery.")

    def _duckdb(self, key: Module) -> tuple[dict[str, Any], None]:
        """DuckDB: a file in the bucket, which a run takes out and puts back."""
        return {"ORBIT_DATABASE": DATABASE}, None

    def _secret(self, key: Module, description: str) -> Module:
        return self.module(
            "entrance",
            "secret",
            name=self.physical("entrance"),
            description=description,
            kms_key_arn=key.arn,
            # Drawn for the local warehouse; in an account a person puts in what opens it.
            generate={"json_key": "password", "json_fields": {"user": "orbit"}},
            recovery_window_days=0 if self.target.disposable else 30,
        )

    # -- the task ----------------------------------------------------------------------------------------------

    def _task(self, ground: Ground, entrance: dict[str, Any], secret: Module | None) -> Module:
        """The container that runs the pipeline every night."""
        environment = {"ORBIT_BUCKET": self.bucket, "ORBIT_TARGET": self.warehouse}
        environment |= {name: value for name, value in entrance.items() if value is not None}
        grants = {}
        if secret:
            environment["ORBIT_SECRET_ARN"] = secret.arn
            grants["entrance"] = {"actions": ["secretsmanager:GetSecretValue"], "resources": [secret.arn]}
        if self.warehouse == "duckdb":
            grants["store"] = {
                "actions": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
                "resources": [f"arn:aws:s3:::{self.bucket}/{STORE}*"],
            }
        return self.nightly(
            ground,
            cpu=1024,
            memory_mb=2048,
            environment=environment,
            schedules={
                "run": {
                    "command": ["run"],
                    "description": "Lands what was delivered, and builds the marts.",
                    "expression": "cron(15 3 * * ? *)",
                },
            },
            read=["s3:GetObject", "s3:GetObjectVersion"],
            grants=grants,
        )

    # -- what it does once it is deployed ----------------------------------------------------------------------

    def smoke(self, live: Live) -> Iterable[Check]:
        """Land a file with one good, one doubled and one impossible body, and find the body in the marts."""
        from infra.live import Check

        if not self.target.local:
            yield from self.ready(live)
            return
        (key,) = self.drop(live, [self._small_file()])
        question = f"select h_magnitude, method from orbit_marts.size_estimates where spkid = '{SMOKE}'"
        logged = self._run(live, "run", "--ask", question)
        found = self._balance(logged, key)
        counts = [found.get(name, 0) for name in ("read", "loaded", "updated", "duplicate", "quarantined")]
        seen = "{} read = {} loaded + {} updated + {} duplicate + {} quarantined".format(*counts)
        right = counts[0] == 3 and counts[1] + counts[2] == 1 and counts[3:] == [1, 1]
        yield Check("a dropped file is landed and its balance adds up", right, seen)
        (tested,) = [line["tests"] for line in logged if line["event"] == "tested"]
        yield Check(f"dbt builds the marts on {self.warehouse} and its tests pass", tested > 0, f"{tested} tests")
        (rows,) = [line.get("rows", []) for line in logged if line["event"] == "asked"]
        yield Check("its body is in a mart", len(rows) == 1, f"magnitude {rows[0][0]}" if rows else "it is missing")

    def run(self, live: Live, data: Path | None) -> None:
        """Land a file, build the marts, and print what became of each record."""
        from jobs.balance import format_balance

        keys = self.drop(live, [data] if data else self._generated())
        for key in keys:
            live.ui.say(f"s3://{live.outputs['landing_bucket']}/{key}")
        if not self.target.local:
            live.ui.say("The schedule lands it at 03:15 UTC and builds the marts.")
            return
        logged = self._run(live, "run", "--ask", FAMILIES)
        for key in keys:
            live.ui.say(format_balance(self._balance(logged, key)))
        live.ui.say(f"Built by dbt on {self.warehouse}:")
        models = [line for line in logged if line["event"] == "model"]
        columns = ["name", "how", "ms"]
        live.ui.table(["model", "how", "ms"], [[str(line[name]) for name in columns] for line in models])
        tests = [line["tests"] for line in logged if line["event"] == "tested"]
        live.ui.say(f"  {tests[0]} tests passed")
        live.ui.say("Hazard by family of orbits, from the marts:")
        columns = ["family", "class", "bodies", "hazardous", "undecided", "approaches", "nearest, au"]
        (rows,) = [line["rows"] for line in logged if line["event"] == "asked"]
        live.ui.table(columns, [[str(value) for value in row] for row in rows])

    def check(self, live: Live, exercise: int) -> Iterable[Check]:
        """Compare the rows of the model that the user wrote with what the layers below say."""
        from orbit.exercises import EXERCISES

        from infra.live import Check

        if exercise not in EXERCISES:
            yield from super().check(live, exercise)
        name, mine, right = EXERCISES[exercise]
        found, wanted = self.ask(live, mine, right)
        if "error" in found:
            yield Check(name, False, found["error"])
            return
        rows = [sorted(map(json.dumps, each["rows"])) for each in (found, wanted)]
        lacking = next((row for row in rows[1] if row not in rows[0]), "")
        beside = next((row for row in rows[0] if row not in rows[1]), "")
        seen = (
            f"it lacks the row {lacking}"
            if lacking
            else f"it has the row {beside}"
            if beside
            else "a row is there twice"
        )
        yield Check(name, rows[0] == rows[1], "" if rows[0] == rows[1] else seen)

    def dashboard(self, live: Live) -> Dashboard:
        """Show what passes the Earth, when it was found and how large it is, from the marts."""
        from orbit import dashboard

        found = self.ask(live, *dashboard.queries(self.warehouse))
        wrong = [each["error"] for each in found if "error" in each]
        if wrong:
            from infra.errors import OrreryError

            raise OrreryError(f"the marts can't be read: {wrong[0]}", next_step=f"make run STACK={self.info.id}")
        return dashboard.shown(dashboard.named([each["rows"] for each in found]), self.warehouse)

    def document(self, live: Live, file: Path) -> None:
        """Write the documentation of the dbt project as one HTML file: models, columns, tests, lineage."""
        self._run(live, "docs", "--out", str(file))

    def clear(self, live: Live) -> None:
        """Remove the schemas from the local warehouse; a file of DuckDB goes with its bucket."""
        if self.warehouse != "duckdb":
            self._run(live, "clear")

    def next_steps(self) -> list[str]:
        """Return what to try next."""
        name = self.info.id
        return [
            f"make run STACK={name}                   1,000 generated bodies and their approaches",
            f"make run STACK={name} DATA=neos.csv     JPL's file, as you downloaded it; or NeoWs' JSON",
            f"make dashboard STACK={name}             charts of the marts, as one HTML page",
            f"make docs STACK={name}                  the documentation of the dbt project, as one page",
            f"make deploy STACK={name} SET=warehouse=duckdb",
            f"make destroy STACK={name}",
        ]

    # -- a file's way, locally ---------------------------------------------------------------------------------

    def ask(self, live: Live, *queries: str) -> list[dict[str, Any]]:
        """Ask the warehouse; return for each query its ``rows``, or an ``error``."""
        arguments = [each for query in queries for each in ("--ask", query)]
        return [line for line in self._run(live, "ask", *arguments) if line["event"] == "asked"]

    def _environment(self, live: Live) -> dict[str, str]:
        """Return how the pipeline finds files and warehouse on this machine."""
        from infra import deploy
        from infra.paths import ROOT

        environment = {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.info.path / "src")]),
            "ORBIT_TARGET": self.warehouse,
            "ORBIT_BUCKET": live.outputs["landing_bucket"],
            "ORBIT_DATABASE": DATABASE,
        }
        if self.warehouse != "duckdb":
            endpoint = deploy.cloud().endpoint(self.warehouse)
            environment["ORBIT_SECRET_ARN"] = live.outputs["secret"]
        if self.warehouse == "snowflake":
            environment |= {
                "ORBIT_SNOWFLAKE_HOST": endpoint.host,
                "ORBIT_SNOWFLAKE_PORT": str(endpoint.port),
                "ORBIT_SNOWFLAKE_PROTOCOL": "http",
            }
        if self.warehouse == "bigquery":
            environment |= {
                "ORBIT_BIGQUERY_ENDPOINT": endpoint.url,
                "ORBIT_BIGQUERY_METHOD": "oauth-secrets",
                "ORBIT_BIGQUERY_TOKEN": "any",
            }
        return environment

    def _run(self, live: Live, *arguments: str) -> list[dict[str, Any]]:
        """Run the pipeline as the task does, and return what it logged."""
        from infra import envs
        from infra.paths import STATE

        work = STATE / "stacks" / self.info.slug / "dbt"
        command = [str(envs.ensure("orbit", say=live.ui.note)), "-P", "-u", "-m", "orbit.pipeline", *arguments]
        command += ["--work", str(work)]
        return self.run_task(live, command, self._environment(live), f"{arguments[0]} on {self.warehouse}")

    def _balance(self, logged: list[dict[str, Any]], key: str) -> dict[str, Any]:
        """Return what became of the file that was dropped under a key, as `jobs.balance.format_balance` takes it."""
        from infra.errors import OrreryError

        for line in logged:
            if line["event"] == "refused" and line["key"] == key:
                return {"status": "rejected", "error_code": line["code"], "error": line["error"], **line}
        files = [line["file"] for line in logged if line["event"] == "file" and line["key"] == key]
        for line in logged:
            if line["event"] in ("balance", "known") and line["file"] in files:
                return {"status": "loaded" if line["event"] == "balance" else "already_loaded", **line}
        raise OrreryError(f"{key} was not landed", next_step="another run landed it meanwhile: run it again")

    def _small_file(self) -> Path:
        """Write three records of one body: good, the same again, and one first seen in the year 0."""
        from orbit.generate import row, write_bodies

        from infra.paths import CACHE

        good = row(1, 1) | {"spkid": SMOKE, "full_name": "(Orrery smoke)", "last_obs": time.strftime("%Y-%m-%d")}
        good |= {"class": "APO", "H": "22.1", "n_obs_used": str(time.time_ns() // 1_000_000)}
        path = CACHE / "orbit" / "smoke.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bodies(path, iter([good, good, {**good, "first_obs": "0000-01-01"}]))
        return path

    def _generated(self) -> list[Path]:
        """Write 1,000 bodies and their approaches, with the quirks of the public files; the same ones each time."""
        from orbit.generate import approaches, bodies, write_bodies

        from infra.paths import CACHE

        csv, feed = CACHE / "orbit" / "bodies-1000.csv", CACHE / "orbit" / "approaches-1000.json"
        csv.parent.mkdir(parents=True, exist_ok=True)
        write_bodies(csv, bodies(1000, seed=7, bad=0.02))
        feed.write_text(json.dumps(approaches(1000, seed=7)))
        return [csv, feed]
