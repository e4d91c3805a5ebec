"""09_quasar as Terraform gets it."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from quasar.metrics import METRICS, NAMESPACE
from quasar.simulate import LARGEST

from infra import catalog, stack, targets
from infra.paths import ROOT

HOME = Path(__file__).resolve().parents[1]
Modules = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Modules:
    _, configuration = stack.create(catalog.built("09_quasar"), targets.offline(), tmp_path_factory.mktemp("quasar"))
    modules: Modules = configuration["module"]
    return modules


def test_the_batch_layer_writes_nothing_into_the_archive_and_reads_no_kafka(made: Modules) -> None:
    actions = {action for grant in made["layers"]["jobs"]["batch"]["grants"].values() for action in grant["actions"]}
    assert actions == {
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "s3:ListBucket",
        "s3:GetObject",
    }


def test_the_speed_layer_writes_archive_and_checkpoints_and_deletes_checkpoints_alone(made: Modules) -> None:
    grants = made["layers"]["jobs"]["speed"]["grants"]
    own = [grant for grant in grants.values() if isinstance(grant, dict)]
    deleting = [grant["resources"] for grant in own if "s3:DeleteObject" in grant["actions"]]
    assert [[each.rpartition(":::")[2].partition("/")[2] for each in where] for where in deleting] == [
        ["checkpoints/*"]
    ]
    assert grants["kafka_read_topics"] == '${module.stream.grants["layers"]["read_topics"]}'


def test_only_the_gateways_write_telemetry_and_only_the_layers_write_dead_letters(made: Modules) -> None:
    clients = made["stream"]["clients"]
    telemetry, letters = "orrery-09-quasar-telemetry", "orrery-09-quasar-telemetry.dead-letters"
    assert clients["gateways"]["writes"] == [telemetry] and "reads" not in clients["gateways"]
    assert (clients["layers"]["reads"], clients["layers"]["writes"]) == ([telemetry], [letters])


def test_there_are_twelve_partitions_in_an_account(made: Modules) -> None:
    assert made["stream"]["topics"]["orrery-09-quasar-telemetry"]["partitions"] == 12


def test_everything_is_encrypted_with_the_stacks_own_key(made: Modules) -> None:
    encrypted = ("alerts", "archive", "layers", "missed", "network", "store", "stream")
    assert {made[name]["kms_key_arn"] for name in encrypted} == {"${module.key.arn}"}


def test_alarms_are_about_metrics_that_something_writes(made: Modules) -> None:
    for name, alarm in made["alarms"]["alarms"].items():
        assert alarm["namespace"] == NAMESPACE and alarm["metric"] in METRICS, name
    code = "".join(file.read_text() for file in (HOME / "src" / "quasar").glob("*.py") if file.name != "metrics.py")
    unwritten = [name for name in METRICS if f'"{name}"' not in code]
    assert unwritten == []


def test_the_lines_that_silence_is_told_by_are_ones_that_the_layers_write(made: Modules) -> None:
    for name, job in made["layers"]["jobs"].items():
        event = re.search(r'\$\.event = "(\w+)"', job["heartbeat"]["pattern"])
        code = (HOME / "src" / "quasar" / f"{name}.py").read_text()
        assert event and f'log("info", "{event[1]}"' in code, name


def test_both_layers_fit_into_what_all_jobs_may_use(made: Modules) -> None:
    """A job that finds too little left waits for its executors, and its driver, without an end."""
    needed = {"vcpus": 0, "memory_gb": 0, "disk_gb": 0}
    for name, job in made["layers"]["jobs"].items():
        settings = job["settings"]
        fixed = settings.get("spark.dynamicAllocation.enabled") == "false"
        workers = settings["spark.executor.instances" if fixed else "spark.dynamicAllocation.maxExecutors"]
        assert int(workers) > 0, name
        for part, count in (("driver", 1), ("executor", int(workers))):
            memory = sum(
                int(settings[f"spark.{part}.{kind}"].removesuffix("g")) for kind in ("memory", "memoryOverhead")
            )
            needed["vcpus"] += count * int(settings[f"spark.{part}.cores"])
            needed["memory_gb"] += count * memory
            needed["disk_gb"] += count * int(settings[f"spark.emr-serverless.{part}.disk"].removesuffix("g"))
    assert {name: most for name, most in made["layers"]["maximum"].items() if most < needed[name]} == {}, needed


def test_the_image_has_all_that_the_jobs_import() -> None:
    requirements = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "quasar.txt").read_text(), re.MULTILINE)
    own, found, left = {"jobs": ROOT, "quasar": HOME / "src"}, set(), {"quasar.speed", "quasar.batch"}
    while left:
        module = left.pop()
        found.add(module)
        file = own[module.partition(".")[0]] / f"{module.replace('.', '/')}.py"
        for node in ast.walk(ast.parse(file.read_text() if file.exists() else "")):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{each.name}" for each in node.names)]
            left |= {name for name in names if name.partition(".")[0] in own} - found
            found |= {name.partition(".")[0] for name in names}
    others = found & {name for name in found if "." not in name} - set(sys.stdlib_module_names) - own.keys()
    others -= {"pyspark", "py4j"}  # what the image is made from has these
    assert {"boto3", "confluent_kafka", "psycopg", "pyarrow"} <= others, "the search finds what is known to be there"
    others.add("pandas")  # which mapInArrow asks for, although nothing of it is used
    missing = [name for name in others if not any(each.startswith(name.replace("_", "-")) for each in requirements)]
    assert missing == []


def test_a_gateways_clock_is_judged_by_the_brokers_and_a_letter_is_as_large_as_its_message_and_more(
    made: Modules,
) -> None:
    telemetry, letters = (made["stream"]["topics"][f"orrery-09-quasar-telemetry{end}"] for end in ("", ".dead-letters"))
    assert telemetry["timestamp_type"] == "LogAppendTime"
    assert LARGEST < telemetry["max_message_bytes"] < letters["max_message_bytes"] / 2


def test_the_layers_know_the_store_by_its_certificate(made: Modules) -> None:
    environment = made["layers"]["environment"]
    assert environment["DB_SSLMODE"] == "verify-full"
    assert f" {environment['DB_SSLROOTCERT']}\n" in (HOME / "Dockerfile").read_text()


def test_both_streams_are_missed_when_they_are_silent_or_behind(made: Modules) -> None:
    alarms = made["alarms"]["alarms"].values()
    for metric in ("messaging.client.consumed.messages", "messaging.kafka.consumer.lag"):
        services = {alarm["dimensions"]["Service"] for alarm in alarms if alarm["metric"] == metric}
        assert services == {"archive", "windows"}, metric


def test_no_password_is_in_the_jobs_environment(made: Modules) -> None:
    names = set(made["layers"]["environment"])
    assert "DB_SECRET_ARN" in names
    assert not [name for name in names if "PASSWORD" in name or "USER" in name]
