"""What the job says to a Kafka Connect worker, and what it makes of the worker's answers."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from jobs import connectors
from jobs.connectors import Connect, ConnectorRefused, remedy, shorten, write_secrets


class Worker:
    """A worker that answers what a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, list[tuple[int, Any]]] = {}

    def say(self, request: str, *answers: tuple[int, Any]) -> None:
        """Answer a request with these, one after the other; the last one again and again."""
        self.answers[request] = list(answers)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append((method, path, body))
        known = self.answers.get(f"{method} {path}", [(404, {"message": "Not found"})])
        return known.pop(0) if len(known) > 1 else known[0]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(connectors, "SETTLE_S", 0.3)
    made = Worker()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            code, answer = made.answer(self.command, self.path, json.loads(self.rfile.read(size)) if size else None)
            data = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = handle_one

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield made
        server.shutdown()


@pytest.fixture
def connect(worker: Worker) -> Connect:
    return Connect(worker.url)  # type: ignore[attr-defined]


CONFIG = {"connector.class": "io.debezium.connector.mysql.MySqlConnector"}
RUNNING = {"connector": {"state": "RUNNING"}, "tasks": [{"state": "RUNNING"}]}


def failed(trace: str) -> dict[str, Any]:
    return {"connector": {"state": "RUNNING"}, "tasks": [{"state": "FAILED", "trace": trace}]}


def test_a_connector_that_is_as_declared_is_left_alone(worker: Worker, connect: Connect) -> None:
    worker.say("GET /connectors/shop/config", (200, CONFIG | {"name": "shop"}))
    assert connect.apply("shop", CONFIG) is False
    assert [method for method, _, _ in worker.asked] == ["GET"]


def test_a_worker_that_is_taking_over_is_asked_again(worker: Worker, connect: Connect) -> None:
    busy = (409, {"message": "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"})
    worker.say("PUT /connectors/shop/config", busy, (500, {"message": "a rebalance is expected"}), (200, {}))
    assert connect.apply("shop", CONFIG) is True
    assert worker.asked[-1] == ("PUT", "/connectors/shop/config", CONFIG | {"name": "shop"})


def test_settings_that_are_refused_are_one_line_and_what_to_do(worker: Worker, connect: Connect) -> None:
    message = (
        "Connector configuration is invalid and contains the following 1 error(s):\n"
        "Unable to connect: Access denied for user 'shop'@'127.0.0.1' (using password: YES)\n"
        "You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`"
    )
    worker.say("PUT /connectors/shop/config", (400, {"error_code": 400, "message": message}))
    with pytest.raises(ConnectorRefused) as refused:
        connect.apply("shop", CONFIG)
    assert str(refused.value) == (
        "Unable to connect: Access denied for user 'shop'@'127.0.0.1' (using password: YES); "
        "next: check user and password in the secret, apply again"
    )


def test_a_driver_that_tries_again_and_again_is_asked_once_more_why(worker: Worker, connect: Connect) -> None:
    patient = {**CONFIG, "driver.autoReconnect": "true", "driver.autoReconnectForPools": "true"}
    refusal = {"error_code": 400, "message": "Failed to establish connection with the database"}
    worker.say("PUT /connectors/shop/config", (400, refusal))
    validate = "PUT /connector-plugins/MySqlConnector/config/validate"
    values = [
        {"name": "a", "errors": []},
        {"name": "b", "errors": ["Unable to connect: Access denied for user 'shop'"]},
    ]
    worker.say(validate, (200, {"configs": [{"value": value} for value in values]}))
    with pytest.raises(ConnectorRefused, match="^Unable to connect: Access denied for user 'shop'; next: check user"):
        connect.apply("shop", patient)
    assert worker.asked[-1] == (*validate.split(" "), CONFIG | {"name": "shop"})
    worker.say(validate, (200, {"configs": []}))
    with pytest.raises(ConnectorRefused, match="^Failed to establish connection"):
        connect.apply("shop", patient)


def test_one_that_was_killed_before_it_had_a_position_begins_anew(worker: Worker, connect: Connect) -> None:
    broken = failed(
        "org.apache.kafka.connect.errors.ConnectException: Source offset 'file' parameter is missing\n\tat x"
    )
    stopped = {"connector": {"state": "STOPPED"}, "tasks": []}
    worker.say("GET /connectors/shop/status", (200, broken), (200, broken), (200, stopped))
    for request in ("PUT /connectors/shop/stop", "DELETE /connectors/shop/offsets", "PUT /connectors/shop/resume"):
        worker.say(request, (200, None))
    assert "apply it again" in connect.status("shop").next_step
    assert connect.revive("shop") == "begun anew: it was ended before it had read anything"
    asked = [f"{method} {path.rpartition('/')[2]}" for method, path, _ in worker.asked if method != "GET"]
    assert asked == ["PUT stop", "DELETE offsets", "PUT resume"]


def test_it_runs_when_its_task_does(worker: Worker, connect: Connect) -> None:
    assert connect.status("shop").state == "MISSING"
    worker.say("GET /connectors/shop", (200, {"name": "shop"}))
    assert connect.status("shop").state == "UNASSIGNED"
    without_task = {"connector": {"state": "RUNNING"}, "tasks": []}
    starting = {"connector": {"state": "RUNNING"}, "tasks": [{"state": "UNASSIGNED"}]}
    worker.say("GET /connectors/shop/status", (200, without_task), (200, starting), (200, RUNNING))
    assert connect.status("shop").state == "UNASSIGNED"
    assert connect.wait("shop", 5).state == "RUNNING"


def test_a_task_that_failed_makes_the_connector_fail(worker: Worker, connect: Connect) -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: An exception occurred in the change event producer.\n"
        "\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)\n"
        "Caused by: io.debezium.DebeziumException: io.debezium.DebeziumException: User does not have it\n"
        "\tat io.debezium.A\n"
        "Caused by: java.sql.SQLException: Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s)\n"
        "\t... 4 more\n"
    )
    worker.say("GET /connectors/shop/status", (200, failed(trace)))
    with pytest.raises(ConnectorRefused) as refused:
        connect.wait("shop", 5)
    assert str(refused.value) == (
        "shop: FAILED: Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s); "
        "next: grant it what is named, restart it"
    )


def test_what_the_task_before_a_restart_did_is_not_taken_for_the_new_one(worker: Worker, connect: Connect) -> None:
    old, new = failed("a.BException: old"), failed("a.BException: new")
    starting = {"connector": {"state": "RUNNING"}, "tasks": [{"state": "UNASSIGNED"}]}
    worker.say("GET /connectors/shop/status", (200, old), (200, starting), (200, RUNNING))
    assert connect.wait("shop", 30).state == "RUNNING"
    worker.say("GET /connectors/shop/status", (200, RUNNING), (200, old), (200, new))
    with pytest.raises(ConnectorRefused, match="shop: FAILED: new"):
        connect.wait("shop", 30)
    worker.say("GET /connectors/shop/status", (200, starting))
    with pytest.raises(ConnectorRefused, match="shop is UNASSIGNED after 0 s; next: look at"):
        connect.wait("shop", 0.1)


def test_a_position_is_not_told_in_all_its_parts() -> None:
    line = (
        "io.debezium.DebeziumException: The connector is trying to read change stream starting at BinlogOffsetContext"
        "{sourceInfo=BinlogSourceInfo{currentGtid='null'}, restartRowsToSkip=0}, but this is no longer available on the "
        "server. Reconfigure the connector to use a snapshot mode when needed.\n\tat io.debezium.B"
    )
    assert shorten(line).startswith("The connector is trying to read change stream starting at where it was, but this")
    assert "--forget" in remedy(line)


MISSING = (
    "io.debezium.DebeziumException: The db history topic or its content is fully or partially missing. Please check "
    "database schema history topic configuration and re-execute the snapshot."
)
AWAY = (
    "io.debezium.DebeziumException: Creation of database schema history topic failed, please create the topic manually\n"
    "Caused by: org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment."
)
UNREAD = (
    "java.lang.IllegalStateException: The database schema history couldn't be recovered. Consider to increase the value "
    "for schema.history.internal.kafka.recovery.poll.interval.ms"
)


@pytest.mark.parametrize(("trace", "step"), [(MISSING, "--forget"), (AWAY, "Kafka run"), (UNREAD, "Kafka run")])
def test_a_history_that_kafka_only_did_not_hand_over_is_no_reason_for_a_snapshot(trace: str, step: str) -> None:
    assert step in remedy(trace)


@pytest.mark.parametrize("trace", ["", "java.lang.NullPointerException\n\tat x", "no trace of Java's"])
def test_a_trace_without_a_text_is_told_as_it_is(trace: str) -> None:
    assert shorten(trace) in ("it does not say why", "java.lang.NullPointerException", "no trace of Java's")
    assert remedy(trace) == "look at the worker's log, mend it, then restart it"


def test_what_was_read_is_forgotten_only_when_nothing_reads_any_more(worker: Worker, connect: Connect) -> None:
    stopped = {"connector": {"state": "STOPPED"}, "tasks": []}
    worker.say("GET /connectors/shop", (200, {}))
    worker.say("PUT /connectors/shop/stop", (202, None))
    worker.say("GET /connectors/shop/status", (200, RUNNING), (200, stopped), (404, {"message": "none"}))
    worker.say("DELETE /connectors/shop/offsets", (200, {"message": "reset"}))
    worker.say("DELETE /connectors/shop", (204, None))
    assert connect.remove("shop", forget=True) is True
    told = [f"{method} {path.rpartition('/')[2]}" for method, path, _ in worker.asked]
    assert told == ["GET shop", "PUT stop", "GET status", "GET status", "DELETE offsets", "DELETE shop", "GET status"]


def test_one_that_is_not_there_is_removed_already(connect: Connect) -> None:
    assert connect.remove("shop") is False


def test_no_worker_is_an_error_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert connectors.main(["--url", "http://127.0.0.1:9", "status"]) == 1
    assert capsys.readouterr().err == (
        "error: no Kafka Connect worker answers at http://127.0.0.1:9: [Errno 111] Connection refused; "
        "next: make up SERVICE=debezium\n"
    )
    assert connectors.main(["--url", "", "status"]) == 1
    assert connectors.main(["--url", "http://127.0.0.1:9", "pause", "../shop"]) == 1
    assert "is no name" in capsys.readouterr().err


def test_the_commands_tell_what_is_going_on(worker: Worker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = ["--url", worker.url]  # type: ignore[attr-defined]
    file = tmp_path / "connector.json"
    file.write_text(json.dumps({"name": "shop", "config": CONFIG}))
    worker.say("PUT /connectors/shop/config", (201, {}))
    worker.say("GET /connectors", (200, ["shop"]))
    worker.say("GET /connectors/shop/status", (200, RUNNING))
    worker.say("POST /connectors/shop/restart?includeTasks=true", (202, {}))
    assert connectors.main([*url, "apply", "--connector", str(file)]) == 0
    assert connectors.main([*url, "status"]) == 0
    assert connectors.main([*url, "restart", "shop"]) == 0
    assert capsys.readouterr().out == "shop: applied\nshop: RUNNING\nshop: restart asked for\n"
    worker.say("GET /connectors/shop/status", (200, failed("java.lang.E: x\nCaused by: a.BError: told")))
    assert connectors.main([*url, "status", "shop"]) == 1
    assert "shop: FAILED: told; next: " in capsys.readouterr().out


def test_apply_writes_the_secret_before_the_settings_that_read_it(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    file, secret = tmp_path / "connector.json", tmp_path / "shop.properties"
    command = ["--url", worker.url, "apply", "--connector", str(file)]  # type: ignore[attr-defined]
    worker.say("PUT /connectors/shop/config", (201, {}))
    with mock_aws():
        client = boto3.client("secretsmanager", region_name="us-east-1")
        arn = client.create_secret(Name="shop", SecretString='{"username": "shop", "password": "pass word"}')["ARN"]
        document = {"name": "shop", "config": CONFIG, "secret": {"arn": arn, "file": str(secret)}}
        file.write_text(json.dumps(document))
        assert connectors.main(command) == 0
        assert secret.read_text() == "username=shop\npassword=pass\\u0020word\n"
        client.put_secret_value(SecretId=arn, SecretString="no object")
        assert connectors.main(command) == 1
        assert "has no username and password; next: write them into it" in capsys.readouterr().err
        client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        assert connectors.main(command) == 1
        assert "can't be read" in capsys.readouterr().err


@pytest.fixture
def declared(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command that applies a connector which is as declared already, and whose secret is `secret`."""
    file = tmp_path / "connector.json"
    document = {"name": "shop", "config": CONFIG, "secret": {"arn": "arn", "file": str(tmp_path / "shop.properties")}}
    file.write_text(json.dumps(document))
    monkeypatch.setattr(connectors, "read_secret", lambda _: {"username": "shop", "password": "old"})
    worker.say("GET /connectors/shop/config", (200, CONFIG | {"name": "shop"}))
    worker.say("GET /connectors/shop/status", (200, RUNNING))
    worker.say("POST /connectors/shop/restart?includeTasks=true", (202, {}))
    return ["--url", worker.url, "apply", "--connector", str(file)]  # type: ignore[attr-defined]


def test_a_new_password_and_a_failure_restart_a_connector_and_nothing_else_does(
    worker: Worker, declared: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert connectors.main(declared) == 0
    assert capsys.readouterr().out == "shop: restarted\nshop: as declared\n", "the first time its file is new"
    monkeypatch.setattr(connectors, "read_secret", lambda _: {"username": "shop", "password": "new"})
    assert connectors.main(declared) == 0
    worker.say("GET /connectors/shop/status", (200, failed("a.BException: Access denied for user 'shop'")))
    assert connectors.main(declared) == 0
    assert capsys.readouterr().out == "shop: restarted\n" * 2
    assert sum(method == "POST" for method, _, _ in worker.asked) == 3


def test_one_that_a_broken_off_removal_left_stopped_goes_on_when_it_is_applied(
    worker: Worker, connect: Connect, declared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    worker.say("GET /connectors/shop/status", (200, {"connector": {"state": "STOPPED"}, "tasks": []}))
    worker.say("PUT /connectors/shop/resume", (202, None))
    assert connect.status("shop").state == "STOPPED"
    with pytest.raises(ConnectorRefused, match=r"shop is STOPPED, and does not go on by itself; next: .* resume shop"):
        connect.wait("shop", 5)
    assert connectors.main(declared) == 0
    assert capsys.readouterr().out == "shop: resumed\n"
    assert worker.asked[-1][:2] == ("PUT", "/connectors/shop/resume")


def test_one_that_somebody_paused_stays_paused(
    worker: Worker, declared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    paused = {"connector": {"state": "PAUSED"}, "tasks": [{"state": "PAUSED"}]}
    assert connectors.main(declared) == 0
    worker.say("GET /connectors/shop/status", (200, paused))
    assert connectors.main(declared) == 0
    assert "shop: as declared, and paused; next: resume it\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"name": "shop", "config": {}, "secret": {"arn": "x"}}'])
def test_a_file_that_declares_no_connector_is_an_error_with_the_next_step(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "connector.json"
    if text is not None:
        file.write_text(text)
    assert connectors.main(["--url", "http://127.0.0.1:9", "apply", "--connector", str(file)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {file} ") and "; next: write the module's output `connector` into it" in told


def test_a_worker_that_was_never_there_has_no_folder_for_secrets(tmp_path: Path) -> None:
    with pytest.raises(ConnectorRefused, match=r"shop.properties can't be written: No such file.*; next: start the"):
        write_secrets(tmp_path / "none" / "shop.properties", {"password": "x"})


def test_a_secret_is_for_its_owner_and_read_by_java_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.properties"
    write_secrets(path, {"password": "old"})
    write_secrets(path, {"username": "shop", "password": "a=b:c\\d #é🎉 "})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "username=shop\npassword=a=b:c\\u005cd\\u0020#\\u00e9\\ud83c\\udf89\\u0020\n"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
