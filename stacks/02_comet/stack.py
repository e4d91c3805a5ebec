"""02_comet: the Exoplanet Archive's files into an operational database, and every night into a star schema."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.batch import BatchStack, Ground
from infra.stack import Crontab, Module

if TYPE_CHECKING:
    from infra.dashboard import Dashboard
    from infra.live import Check, Live

SMOKE = "Orrery smoke b"


class Comet(BatchStack):
    """Landing bucket → operational PostgreSQL → bash and SQL by cron → star schema in a second PostgreSQL."""

    def build(self) -> None:
        """Compose the stack, from the key to the schedules."""
        ground = self.ground("Everything that 02_comet keeps: files, rows, secrets, logs.")
        oltp = self._database("oltp", "archive", ground)
        olap = self._database("olap", "star", ground)
        self.announce(ground, self._task(ground, oltp, olap), "CSV files")
        for name, database in (("oltp", oltp), ("olap", olap)):
            self.output(f"{name}_host", database.host, f"The server of the database {name}.")
            self.output(f"{name}_port", database.port, "Its port.")
            self.output(f"{name}_name", database.database, "Its name.")
            self.output(f"{name}_secret", database.secret_arn, "The secret with its user and password.")

    def crontab(self, live: Live) -> Crontab:
        """Return the crontab of this folder, for the local cloud's cron."""
        return Crontab(self.info.path / "crontab", self._environment(live))

    def smoke(self, live: Live) -> Iterable[Check]:
        """Land a small file with one good, one doubled and one impossible planet, and find the planet in the star."""
        from infra.live import Check

        if not self.target.local:
            yield from self.ready(live)
            return
        (key,) = self.drop(live, [self._small_file()])
        found = self._landed(self._run(live, "land"), key)
        counts = [found[name] for name in ("read", "loaded", "updated", "duplicate", "quarantined")]
        seen = "{} read = {} loaded + {} updated + {} duplicate + {} quarantined".format(*counts)
        right = counts[0] == 3 and counts[1] + counts[2] == 1 and counts[3:] == [1, 1]
        yield Check("a dropped file is landed and its balance adds up", right, seen)
        counted = [line for line in self._run(live, "nightly", "--wait", "600") if line["event"] == "reconciled"]
        same = bool(counted) and all(line["expected"] == line["found"] for line in counted)
        seen = ", ".join(f"{line['fact']} {line['found']:,}" for line in counted)
        yield Check("the nightly load reconciles", same, seen)
        (row,) = self._ask(
            live,
            "SELECT count(*), max(value) FROM star.fact_measurement JOIN star.dim_planet USING (planet_key)"
            f" WHERE name = '{SMOKE}'",
        )
        yield Check("its planet is in the star schema", row[0] == 1, f"orbits in {row[1]} days")

    def run(self, live: Live, data: Path | None) -> None:
        """Land a file, load the star schema, and print what became of each record."""
        from jobs.balance import format_balance

        path = data or self._generated(live)
        (key,) = self.drop(live, [path])
        live.ui.say(f"s3://{live.outputs['landing_bucket']}/{key}  ({path.stat().st_size:,} bytes)")
        if not self.target.local:
            live.ui.say("The schedule lands it at 02:15 UTC and loads the star schema at 02:45 UTC.")
            return
        live.ui.say(format_balance(self._landed(self._run(live, "land"), key)))
        live.ui.say("Into the star schema:")
        logged = self._run(live, "nightly", "--wait", "600")
        steps = [line for line in logged if line["event"] == "loaded"]
        columns = ["step", "read", "inserted", "updated", "deleted", "ms"]
        live.ui.table(columns, [[str(line[name]) for name in columns] for line in steps])
        for line in logged:
            if line["event"] == "reconciled":
                live.ui.say(f"  {line['fact']}: {line['expected']:,} expected, {line['found']:,} found")
        live.ui.say("Discoveries by method, from the star schema:")
        live.ui.table(
            ["method", "planets", "first", "last", "median orbit, days"],
            [
                [str(value) for value in row]
                for row in self._ask(live, (self.info.path / "sql" / "report.sql").read_text())
            ],
        )

    def check(self, live: Live, exercise: int) -> Iterable[Check]:
        """Compare what the user made in the warehouse with what the facts say."""
        from comet.exercises import EXERCISES

        from infra.exercises import checked

        if exercise not in EXERCISES:
            yield from super().check(live, exercise)
        yield from checked(EXERCISES[exercise], lambda query: self._ask(live, query))

    def dashboard(self, live: Live) -> Dashboard:
        """Show who found which planets, when and how, from the star schema."""
        from comet.dashboard import read

        with self.database(live, "olap") as connection:
            return read(connection)

    def next_steps(self) -> list[str]:
        """Return what to try next."""
        name = self.info.id
        return [
            f"make run STACK={name}                   5,000 generated records, as quirky as the real ones",
            f"make run STACK={name} DATA=PS.csv       the archive's file, as you downloaded it",
            f"make dashboard STACK={name}             charts of what was loaded, as one HTML page",
            f"make destroy STACK={name}",
        ]

    # -- parts -------------------------------------------------------------------------------------------------

    def _database(self, name: str, database: str, ground: Ground) -> Module:
        return self.module(
            name,
            "postgres",
            name=self.physical(name),
            database=database,
            kms_key_arn=ground.key.arn,
            vpc_id=ground.network.vpc_id,
            subnet_ids=ground.network.subnet_ids,
            allowed_security_group_ids=ground.network.security_group_ids,
            instance_class="db.t4g.micro",
            multi_az=False,  # both can be loaded again; standbys would double the bill
            deletion_protection=not self.target.disposable,
        )

    def _task(self, ground: Ground, oltp: Module, olap: Module) -> Module:
        """The container that does what the crontab says."""
        environment = {"COMET_BUCKET": self.bucket, "COMET_LOCKS": "/tmp"}
        for name, database in (("OLTP", oltp), ("OLAP", olap)):
            environment |= {
                f"COMET_{name}_HOST": database.host,
                f"COMET_{name}_PORT": f"{database.port}",
                f"COMET_{name}_NAME": database.database,
                f"COMET_{name}_SECRET_ARN": database.secret_arn,
                f"COMET_{name}_SSLMODE": "require",
            }
        return self.nightly(
            ground,
            environment=environment,
            schedules={
                "land": {
                    "command": ["land"],
                    "description": "Lands what was delivered.",
                    "expression": "cron(15 2 * * ? *)",
                },
                "load": {
                    "command": ["nightly", "--wait", "3600"],
                    "description": "Loads the star schema.",
                    "expression": "cron(45 2 * * ? *)",
                },
            },
            read=["s3:GetObject", "s3:GetObjectVersion"],
            grants={
                "database_passwords": {
                    "actions": ["secretsmanager:GetSecretValue"],
                    "resources": [oltp.secret_arn, olap.secret_arn],
                },
            },
        )

    # -- a file's way, locally ---------------------------------------------------------------------------------

    def _environment(self, live: Live) -> dict[str, str]:
        """Return what the crontab's commands need on this machine."""
        from infra import deploy, envs
        from infra.paths import LOCAL, ROOT

        locks = LOCAL / "comet"
        locks.mkdir(parents=True, exist_ok=True)
        environment = {
            **live.target.environment,
            "COMET_HOME": str(self.info.path),
            "COMET_ROOT": str(ROOT),
            "COMET_PYTHON": str(envs.ensure("comet", say=live.ui.note)),
            "COMET_LOCKS": str(locks),
            "COMET_BUCKET": live.outputs["landing_bucket"],
            "PATH": os.pathsep.join([str(deploy.cloud().programs()), os.environ.get("PATH", os.defpath)]),
        }
        for name in ("oltp", "olap"):
            environment |= {
                f"COMET_{name.upper()}_HOST": str(live.outputs[f"{name}_host"]),
                f"COMET_{name.upper()}_PORT": str(live.outputs[f"{name}_port"]),
                f"COMET_{name.upper()}_NAME": str(live.outputs[f"{name}_name"]),
                f"COMET_{name.upper()}_SECRET_ARN": str(live.outputs[f"{name}_secret"]),
                f"COMET_{name.upper()}_SSLMODE": "prefer",
            }
        return environment

    def _run(self, live: Live, *arguments: str) -> list[dict[str, Any]]:
        """Run what the crontab runs, and return what it logged."""
        command = [str(self.info.path / "bin" / "task"), *arguments]
        return self.run_task(live, command, self._environment(live), f"task {arguments[0]}")

    def _landed(self, logged: list[dict[str, Any]], key: str) -> dict[str, Any]:
        from infra.errors import OrreryError

        for line in logged:
            if line["event"] == "file" and line["key"] == key:
                return line
        raise OrreryError(f"{key} was not landed", next_step="the crontab landed it meanwhile: look at archive.files")

    def _ask(self, live: Live, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse one question."""
        with self.database(live, "olap") as connection:
            return connection.execute(query.encode()).fetchall()

    def _small_file(self) -> Path:
        from infra.paths import CACHE

        names = "pl_name,hostname,default_flag,discoverymethod,disc_year,disc_facility,pl_controv_flag,pl_refname"
        names += ",pl_orbper,pl_orbpererr1,pl_orbpererr2,pl_orbperlim"
        good = f"{SMOKE},Orrery smoke,1,Transit,2007,Orrery,0,Smoke et al. 2007,3.{time.time_ns()},0.1,-0.1,0"
        bad = good.replace(",2007,", ",0000,")
        path = CACHE / "comet" / "smoke.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# smoke\n{names}\n{good}\n{good}\n{bad}\n")
        return path

    def _generated(self, live: Live) -> Path:
        """Write 5,000 records with the quirks of the archive's file; the same ones each time."""
        from comet.generate import generate

        from infra.paths import CACHE

        path = CACHE / "comet" / "planets-5000.csv"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}")
            generate(fresh, rows=5000, seed=7, dirty=0.02)
            fresh.replace(path)
        return path
