"""09_quasar as Terraform gets it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from quasar.metrics import METRICS, NAMESPACE

from infra import catalog, stack, targets

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


def test_no_password_is_in_the_jobs_environment(made: Modules) -> None:
    names = set(made["layers"]["environment"])
    assert "DB_SECRET_ARN" in names
    assert not [name for name in names if "PASSWORD" in name or "USER" in name]
