"""07_nebula: a shop's deliveries into a Kimball model with its histories, on Redshift or PostgreSQL, by dbt."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.batch import QUARANTINE, BatchStack, Ground
from infra.stack import Module
from jobs.balance import format_balance

if TYPE_CHECKING:
    from infra.dashboard import Dashboard
    from infra.live import Check, Live

STAGED, TAKEN = "staged/", "taken/"
WAREHOUSES = ("redshift", "postgres")

# The point of a history: what was sold under a category stays there, wherever the product has gone since.
REPORT = """
SELECT category, sum(was), sum(now_is) FROM (
    SELECT p.category, s.amount AS was, 0 AS now_is
    FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_product p USING (product_key)
    UNION ALL
    SELECT p.current_category, 0, s.amount
    FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_product p USING (product_key)
) AS both_ways
GROUP BY category ORDER BY 2 DESC LIMIT 10
"""
SEGMENTS_OF = """
SELECT c.segment FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_customer c USING (customer_key)
WHERE c.customer_id = '{customer}' ORDER BY s.ordered_at
"""


class Nebula(BatchStack):
    """Landing bucket → a task with dbt → conformed dimensions with histories and three kinds of fact."""

    zones = ("us-east-1a", "us-east-1b", "us-east-1c")  # Redshift's enhanced VPC routing wants three
    takes_folders = True

    def build(self) -> None:
        """Compose the stack, from the key to the schedule."""
        ground = self.ground(
            "Everything that 07_nebula keeps: files, rows, secrets, logs.",
            rules={"expire-staged": {"prefix": STAGED, "expire_after_days": 1}},
        )
        warehouse = self._warehouse(ground)
        self.announce(ground, self._task(ground, warehouse), "CSV files")
        self.output("warehouse_host", warehouse.host, "The warehouse's server.")
        self.output("warehouse_port", warehouse.port, "Its port.")
        self.output("warehouse_name", warehouse.database, "Its database.")
        self.output("warehouse_secret", warehouse.secret_arn, "The secret with its user and password.")

    def smoke(self, live: Live) -> Iterable[Check]:
        """Let a customer change segments between two purchases, and find each purchase at the segment of its time."""
        from infra.live import Check

        if not self.target.local:
            yield from self.ready(live)
            return
        customer, files = self._small_files()
        self.drop(live, files)
        counts, _ = self._run(live)
        seen, lines = format_balance(counts["sales_lines"]), counts["sales_lines"]
        least = {"read": 4, "loaded": 2, "duplicate": 1, "quarantined": 1}  # a file that waited comes with them
        right = all(lines[name] >= least[name] for name in least)
        yield Check("dropped files are landed and their balance adds up", right, seen.splitlines()[0])
        found = self._ask(live, SEGMENTS_OF.format(customer=customer))
        seen = ", then ".join(str(segment) for (segment,) in found)
        yield Check("each purchase is at the segment of its time", seen == "consumer, then corporate", seen)

    def run(self, live: Live, data: Path | None) -> None:
        """Land files, build the marts, and print what became of each sales line and of the histories."""
        paths = _files(data) if data else self._generated(live)
        keys = self.drop(live, paths)
        size = sum(path.stat().st_size for path in paths)
        where = f"s3://{live.outputs['landing_bucket']}/{keys[0]}"
        live.ui.say(f"{where}{f' … {len(keys)} files' if len(keys) > 1 else ''}  ({size:,} bytes)")
        if not self.target.local:
            live.ui.say("The schedule takes them at 03:30 UTC.")
            return
        counts, refused = self._run(live)
        for each in refused:
            name = each["key"].rpartition("/")[2]
            live.ui.say(f"refused as a whole: {name}: {each['error']}\n  in quarantine: {each['quarantine_key']}")
        live.ui.say("Sales lines:")
        live.ui.say(format_balance({**counts["sales_lines"], "reasons": counts["quarantined"].get("sales_lines", {})}))
        for feed, reasons in counts["quarantined"].items():
            if feed != "sales_lines":
                live.ui.say(f"  {feed}: " + ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()))
        live.ui.say("Versions in the histories:")
        changes = [[name, *map(str, each.values())] for name, each in counts["versions"].items()]
        live.ui.table(["dimension", "opened", "closed", "removed"], changes)
        live.ui.say("Revenue by category: as a product was when it was sold, and as it is today:")
        revenue = [[str(category), f"{was:,.2f}", f"{now:,.2f}"] for category, was, now in self._ask(live, REPORT)]
        live.ui.table(["category", "as it was", "as it is"], revenue)

    def check(self, live: Live, exercise: int) -> Iterable[Check]:
        """Compare what the user made in the warehouse with what facts and dimensions say."""
        from nebula.exercises import EXERCISES

        from infra.exercises import checked

        if exercise not in EXERCISES:
            yield from super().check(live, exercise)
        yield from checked(EXERCISES[exercise], lambda query: self._ask(live, query))

    def dashboard(self, live: Live) -> Dashboard:
        """Show revenue, fulfilment, stock and customers over time, from the marts."""
        from nebula.dashboard import read

        return read(lambda query: self._ask(live, query))

    def next_steps(self) -> list[str]:
        """Return what to try next."""
        name = self.info.id
        return [
            f"make run STACK={name}                      20 generated days of a shop: customers move, products change",
            f"make run STACK={name} DATA=2010-12-01.csv  a day of UCI's Online Retail, or a folder of them",
            f"make dashboard STACK={name}                what the marts hold, as one page",
            f"make destroy STACK={name}",
        ]

    # -- parts -------------------------------------------------------------------------------------------------

    @property
    def _kind(self) -> str:
        """The warehouse that was chosen."""
        from infra.errors import OrreryError

        kind = str(self.info.settings["warehouse"])
        if kind not in WAREHOUSES:
            raise OrreryError(
                f"{self.info.id}: there is no warehouse {kind!r}",
                next_step=f"use SET=warehouse={' or SET=warehouse='.join(WAREHOUSES)}",
            )
        return kind

    def _warehouse(self, ground: Ground) -> Module:
        """Redshift Serverless, or a PostgreSQL that gives the same outputs where it matters."""
        common = {
            "name": self.physical("warehouse"),
            "database": "retail",
            "kms_key_arn": ground.key.arn,
            "vpc_id": ground.network.vpc_id,
            "subnet_ids": ground.network.subnet_ids,
            "allowed_security_group_ids": ground.network.security_group_ids,
        }
        if self._kind == "postgres":
            protected = not self.target.disposable
            return self.module("warehouse", "postgres", deletion_protection=protected, **common)
        return self.module(
            "warehouse",
            "redshift_serverless",
            alarm_topic_arn=ground.alerts.arn,
            reach_security_group_ids=ground.network.security_group_ids,
            copy_sources={"staged": {"bucket_arn": ground.landing.arn, "prefix": STAGED}},
            **common,
        )

    def _task(self, ground: Ground, warehouse: Module) -> Module:
        """The container with dbt."""
        environment = {
            "NEBULA_BUCKET": self.bucket,
            "NEBULA_TARGET": self._kind,
            "NEBULA_HOST": warehouse.host,
            "NEBULA_PORT": f"{warehouse.port}",
            "NEBULA_DATABASE": warehouse.database,
            "NEBULA_SECRET_ARN": warehouse.secret_arn,
            "NEBULA_SSLMODE": "require",
        }
        written = [QUARANTINE, TAKEN]
        if self._kind == "redshift":
            environment |= {
                "NEBULA_COPY_PREFIX": f"s3://{self.bucket}/{STAGED}",
                "NEBULA_COPY_ROLE": warehouse.copy_role_arn,
                "NEBULA_SSLMODE": "verify-full",
            }
            written.append(STAGED)
        return self.nightly(
            ground,
            cpu=1024,
            memory_mb=2048,
            environment=environment,
            schedules={
                "load": {
                    "command": ["run"],
                    "description": "Takes what was delivered and builds the marts.",
                    "expression": "cron(30 3 * * ? *)",
                },
            },
            written=written,
            grants={
                "warehouse_password": {
                    "actions": ["secretsmanager:GetSecretValue"],
                    "resources": [warehouse.secret_arn],
                },
            },
        )

    # -- a delivery's way, locally -----------------------------------------------------------------------------

    def _run(self, live: Live) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Run what the schedule runs; return what it came to, and the files that it refused."""
        from infra import envs
        from infra.paths import LOCAL, ROOT

        command = [str(envs.ensure("nebula", say=live.ui.note)), "-P", "-m", "nebula.task", "run"]
        environment = {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.info.path / "src")]),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "NEBULA_WORK": str(LOCAL / "nebula"),
            "NEBULA_TARGET": "postgres",
            "NEBULA_BUCKET": str(live.outputs["landing_bucket"]),
            "NEBULA_HOST": str(live.outputs["warehouse_host"]),
            "NEBULA_PORT": str(live.outputs["warehouse_port"]),
            "NEBULA_DATABASE": str(live.outputs["warehouse_name"]),
            "NEBULA_SECRET_ARN": str(live.outputs["warehouse_secret"]),
            "NEBULA_SSLMODE": "prefer",
        }
        logged = self.run_task(live, command, environment, "taking what was delivered, building the marts")
        (finished,) = [line for line in logged if line["event"] == "finished"]
        return finished, [line for line in logged if line["event"] == "refused"]

    def _ask(self, live: Live, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with self.database(live, "warehouse") as connection:
            return connection.execute(query.encode()).fetchall()

    def _small_files(self) -> tuple[str, list[Path]]:
        """Write a customer's history and four sales lines, of which one is doubled and one impossible.

        They are of the year 2000: the dashboard shows the last year with sales, which is to be the user's.
        """
        from infra.paths import CACHE

        number = time.time_ns() // 1_000_000
        customer, order = str(50_000_000 + number % 10_000_000), 600_000 + number % 300_000
        folder = CACHE / "nebula" / "smoke"
        folder.mkdir(parents=True, exist_ok=True)
        changes = folder / "customer_changes.csv"
        changes.write_text(
            "customer_id,changed_at,change_no,is_deleted,name,email,country,city,segment\n"
            f"{customer},2000-01-01 08:00:00,1,false,Orrery Smoke,smoke@example.com,Germany,Bonn,consumer\n"
            f"{customer},2000-01-08 08:00:00,2,false,Orrery Smoke,smoke@example.com,Germany,Bonn,corporate\n"
        )
        line = "{order},SMOKE,SMOKE SIGNAL,{quantity},{at},1.25,{customer},Germany\n"
        first = line.format(order=order, quantity=1, at="2000-01-05 10:00:00", customer=customer)
        second = line.format(order=order + 1, quantity=2, at="2000-01-12 10:00:00", customer=customer)
        bad = line.format(order=order + 2, quantity=3, at="0000-00-00 00:00:00", customer=customer)
        sales = folder / "sales_lines.csv"
        header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        sales.write_text(header + first + first + second + bad)
        return customer, [changes, sales]

    def _generated(self, live: Live) -> list[Path]:
        """Write 20 days of a shop with 5,000 sales lines; the same ones each time."""
        from nebula.generate import Shop

        from infra.paths import CACHE

        folder = CACHE / "nebula" / "shop"
        shutil.rmtree(folder, ignore_errors=True)
        Shop(folder, lines=5000, days=20, seed=7, dirty=0.02).write()
        return _files(folder)


def _files(data: Path) -> list[Path]:
    """Return a file, or the CSV files of a folder by name."""
    from infra.errors import OrreryError

    found = sorted(data.glob("*.csv")) if data.is_dir() else [data]
    if not found:
        raise OrreryError(f"{data} has no *.csv", next_step="name a file, or a folder of CSV files")
    return found
