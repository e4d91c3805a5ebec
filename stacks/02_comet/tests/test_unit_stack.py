"""02_comet as Terraform gets it, and the same plan in its crontab."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, stack, targets
from jobs.crontab import parse

HOME = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    _, configuration = stack.create(catalog.built("02_comet"), targets.offline(), tmp_path_factory.mktemp("comet"))
    modules: dict[str, Any] = configuration["module"]
    return modules


def test_the_schedules_on_aws_are_those_of_the_crontab(made: dict[str, Any]) -> None:
    entries = {}
    for entry in parse((HOME / "crontab").read_text()):
        minute, hour, *rest = entry.schedule.split()
        assert rest == ["*", "*", "*"] and entry.environment["CRON_TZ"] == "UTC"
        program, *command = entry.command.split()
        assert program == '"$COMET_HOME"/bin/task'
        entries[tuple(command)] = f"cron({minute} {hour} * * ? *)"
    schedules = made["nightly"]["schedules"].values()
    assert entries == {tuple(each["command"]): each["expression"] for each in schedules}
    assert all(each.get("timezone", "UTC") == "UTC" for each in schedules)


def test_the_task_may_do_what_it_needs_and_no_more(made: dict[str, Any]) -> None:
    grants = made["nightly"]["grants"]
    actions = {action for grant in grants.values() for action in grant["actions"]}
    assert actions == {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:AbortMultipartUpload",
        "s3:PutObject",
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
    assert all(each.endswith("/quarantine/*") for each in grants["write_outcomes"]["resources"])
    assert all(each.endswith("/incoming/*") for each in grants["read_landing"]["resources"])


def test_no_password_is_in_the_tasks_environment(made: dict[str, Any]) -> None:
    names = set(made["nightly"]["environment"])
    assert {"COMET_OLTP_SECRET_ARN", "COMET_OLAP_SECRET_ARN"} <= names
    assert not [name for name in names if "PASSWORD" in name or "DSN" in name]


def test_everything_is_encrypted_with_the_stacks_own_key(made: dict[str, Any]) -> None:
    encrypted = ("oltp", "olap", "landing", "missed", "alerts", "nightly", "network")
    assert {made[name]["kms_key_arn"] for name in encrypted} == {"${module.key.arn}"}


def test_the_line_that_the_alarm_on_silence_waits_for_is_one_that_the_load_writes(made: dict[str, Any]) -> None:
    event = re.search(r'\$\.event = "(\w+)"', made["nightly"]["heartbeat_pattern"])
    assert event and re.search(rf"^    log info {event[1]} ", (HOME / "bin" / "nightly").read_text(), re.M)


def test_a_wrong_command_of_the_task_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    from comet.task import main

    assert main(["clean"]) == 64 and main([]) == 64 and main(["land", "now"]) == 64
    assert "usage: task land" in capsys.readouterr().err


def test_passwords_go_into_a_private_file_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from comet.task import credentials

    for name in ("OLTP", "OLAP"):
        monkeypatch.setenv(f"COMET_{name}_HOST", "db.internal")
        monkeypatch.setenv(f"COMET_{name}_NAME", name.lower())
        monkeypatch.setenv(f"COMET_{name}_SECRET_ARN", f"arn:{name}")

    class Secrets:
        def get_secret_value(self, SecretId: str) -> dict[str, str]:
            return {"SecretString": '{"username": "u", "password": "s:e\\\\cret"}'}

    found = credentials(tmp_path, Secrets())
    assert set(found) == {"PGSERVICEFILE", "PGPASSFILE"} and "cret" not in "".join(found.values())
    passwords = Path(found["PGPASSFILE"])
    assert passwords.stat().st_mode & 0o077 == 0
    assert passwords.read_text().splitlines()[0] == "db.internal:5432:oltp:u:s\\:e\\\\cret"
    services = Path(found["PGSERVICEFILE"]).read_text()
    assert "cret" not in services and "[comet_olap]" in services and "sslmode=verify-full" in services
