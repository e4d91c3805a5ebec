"""What MariaDB and the local Kafka Connect worker do in the place of RDS and MSK Connect, and what they lack."""

from __future__ import annotations

import json
import urllib.request

import pytest

from infra.local import Cloud
from infra.local.mysql_client import Connection
from jobs.connectors import Connect, write_secrets
from tests.support.kafka import run
from tests.support.local_aws import LocalAws, until, works_now

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def connect(local_cloud: Cloud) -> Cloud:
    local_cloud.up(["mysql", "debezium"])
    return local_cloud


def test_mariadb_keeps_rows_in_a_database_of_the_stacks_own(connect: Cloud, name: str) -> None:
    made = connect.provision_mysql(name.replace("-", "_"))
    try:
        with Connection(made.host, made.port, made.user, made.password, made.database) as one:
            one.query("create table launches (mission text)")
            one.query("insert into launches values ('Sputnik')")
            assert one.query("select mission from launches") == [("Sputnik",)]
            assert one.query("show variables like 'binlog_format'") == [("binlog_format", "ROW")]
    finally:
        connect.drop_mysql(name.replace("-", "_"))


def test_mariadb_has_no_gtid_of_mysqls_and_no_tls(connect: Cloud, name: str) -> None:
    made = connect.provision_mysql(name.replace("-", "_"))
    try:
        with Connection(made.host, made.port, made.user, made.password) as one:
            works_now(one.query("show variables like 'gtid_mode'"), "MySQL's GTID")
            works_now(one.query("show variables like 'have_ssl'")[0][1] == "YES", "TLS")
    finally:
        connect.drop_mysql(name.replace("-", "_"))


def test_a_change_of_the_database_is_a_message(connect: Cloud, name: str) -> None:
    database = connect.provision_mysql(name.replace("-", "_"))
    worker = Connect(connect.endpoint("debezium").url)
    file = connect.debezium.secrets / f"{name}.properties"
    write_secrets(file, {"username": database.user, "password": database.password})
    config = {
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "database.hostname": database.host,
        "database.port": str(database.port),
        "database.user": f"${{file:{file}:username}}",
        "database.password": f"${{file:{file}:password}}",
        "database.server.id": "77001",
        "database.include.list": database.database,
        "topic.prefix": name,
        "schema.history.internal.kafka.bootstrap.servers": connect.endpoint("kafka").url,
        "schema.history.internal.kafka.topic": f"{name}.history",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "-1",
    }
    with Connection(database.host, database.port, database.user, database.password, database.database) as one:
        one.query("create table launches (mission varchar(20) primary key)")
        worker.apply(name, config)
        worker.wait(name)
        one.query("insert into launches values ('Sputnik')")
    topic = f"{name}.{database.database}.launches"
    code = "say(read(sys.argv[2]) if sys.argv[2] in admin.list_topics(timeout=10).topics else [])"
    ((_, _, key, value),) = until(lambda: run(connect, code, topic), 40, "the row in Kafka")
    assert json.loads(key) == {"mission": "Sputnik"} == json.loads(value)["after"]
    connect.drop_connectors(name)
    assert name not in worker.names() and not file.exists()
    connect.drop_mysql(database.database)


def test_the_worker_takes_anybodys_connector(connect: Cloud) -> None:
    with urllib.request.urlopen(f"{connect.endpoint('debezium').url}/connectors", timeout=10) as answer:
        works_now(answer.status != 200, "logins of the worker")


def test_it_writes_no_metrics(connect: Cloud, aws: LocalAws) -> None:
    found = aws.client("cloudwatch").list_metrics(Namespace="AWS/KafkaConnect")["Metrics"]
    works_now(found, "metrics of Kafka Connect")
