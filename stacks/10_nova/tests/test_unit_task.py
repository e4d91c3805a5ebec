"""What the container does before and after its programs: roles, known trouble in one line; how it enters Snowflake."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from nova import task
from nova.source import SourceError

from jobs import snowflake


@pytest.fixture(autouse=True)
def kafka(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    """The one name of Kafka's client that is needed, whose package only the stack's own environment has."""
    trouble = type("KafkaException", (Exception,), {})
    monkeypatch.setitem(sys.modules, "confluent_kafka", SimpleNamespace(KafkaException=trouble))  # type: ignore[arg-type]
    return trouble


def does(monkeypatch: pytest.MonkeyPatch, name: str, seen: list[str | None], error: Exception | None = None) -> None:
    def command(_: Any) -> int:
        import os

        seen.append(os.environ.get("NOVA_SNOWFLAKE_ROLE"))
        if error:
            raise error
        return 0

    monkeypatch.setitem(task.COMMANDS, name, command)


@pytest.mark.parametrize(("name", "role"), [("load", "L"), ("views", "M"), ("compare", "M"), ("recover", "L")])
def test_who_makes_views_enters_as_the_merger(monkeypatch: pytest.MonkeyPatch, name: str, role: str) -> None:
    monkeypatch.setenv("NOVA_SNOWFLAKE_ROLE", "L")
    monkeypatch.setenv("NOVA_SNOWFLAKE_MERGER_ROLE", "M")
    seen: list[str | None] = []
    does(monkeypatch, name, seen)
    assert task.main([name]) == 0 and seen == [role]


def test_known_trouble_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kafka: type[Exception]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "b-1:9098")
    for error, words in (
        (snowflake.NoAccess("no 'private_key'"), "no 'private_key'"),
        (SourceError("can't be entered"), "can't be entered"),
        (kafka("timed out"), "Kafka at b-1:9098 can't be used: timed out"),
    ):
        does(monkeypatch, "load", [], error)
        assert task.main(["load"]) == 1
        line = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert line["level"] == "error" and words in line["error"]


def test_the_ways_back_are_among_the_commands() -> None:
    assert {"recover", "reread"} <= task.COMMANDS.keys()


@pytest.mark.parametrize("lacking", ["account", "private_key"])
def test_a_secret_has_to_name_account_and_key(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    """Without an account the client would take its token to whoever has the default's name."""
    held = {name: "x" for name in ("account", "user", "private_key") if name != lacking}
    client = SimpleNamespace(get_secret_value=lambda SecretId: {"SecretString": json.dumps(held)})
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda _: client))  # type: ignore[arg-type]
    with pytest.raises(snowflake.NoAccess, match=f"has no '{lacking}'"):
        snowflake.open_secret("NOVA", "arn:s", {})
    snowflake.open_secret("NOVA", "arn:s", {"NOVA_SNOWFLAKE_HOST": "127.0.0.1"})
