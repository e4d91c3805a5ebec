"""The local Kafka, spoken to by confluent-kafka in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra import envs
from infra.errors import OrreryError
from infra.local import Cloud
from infra.paths import ROOT
from tests.e2e.test_local_cloud import new_cloud, pid_of, restarted
from tests.support.kafka import run, start, topics_job
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    for made in new_cloud(tmp_path_factory.mktemp("kafka")):
        made.up(["kafka"])
        yield made


def killed(cloud: Cloud) -> None:
    pid = pid_of(cloud, "kafka")
    os.kill(pid, signal.SIGKILL)
    until(lambda: restarted(cloud, "kafka", pid), 20, "the broker comes back")


def test_a_key_stays_in_its_partition_and_in_order(kafka: Cloud) -> None:
    found = run(
        kafka,
        """
make("keyed", 3)
by = producer()
for round in range(20):
    for key in "abcdefgh":
        by.produce("keyed", f"{key}{round}", key)
assert by.flush(20) == 0
say(read("keyed"))
""",
    )
    assert len(found) == 160
    partition_of = {key: partition for partition, _, key, _ in found}
    assert len(set(partition_of.values())) > 1
    for key in "abcdefgh":
        mine = [(partition, value) for partition, _, name, value in found if name == key]
        assert mine == [(partition_of[key], f"{key}{round}") for round in range(20)]
    for partition in range(3):
        offsets = [offset for there, offset, _, _ in found if there == partition]
        assert offsets == list(range(len(offsets)))


ASIDE = """
from jobs.dead_letters import DeadLetter
make("aside", 3)
by, now = producer(), int(sys.argv[2])
for number in range(9):
    letter = DeadLetter("telemetry", 0, number, "not_json", "no object", None if number else b"k", b"\\xff{%d" % number)
    by.produce("aside", partition=number % 3, timestamp=now + number, **letter.produced())
by.produce("aside", b"a stranger's", partition=0, timestamp=now + 1000)
say(by.flush(20))
"""


def test_the_newest_dead_letters_are_shown_as_they_are(kafka: Cloud) -> None:
    assert shown(kafka, "aside", code=1)[1] == "error: there is no topic aside\n"
    now = int(time.time()) * 1000
    assert run(kafka, ASIDE, str(now)) == 0
    lines, _ = shown(kafka, "aside", "--most", "3")
    assert [each.get("offset") for each in lines] == [7, 8, None]
    assert lines[1]["at"].endswith(".008+00:00") and lines[1]["value"] == "\\xff{8"
    assert (lines[1]["reason"], lines[1]["message"], lines[1]["key"]) == ("not_json", "no object", None)
    assert lines[2]["error"] == "aside 0:3 is no dead letter" and lines[2]["value"] == "a stranger's"
    assert [each.get("offset") for each in shown(kafka, "aside", "--since-ms", str(now + 6))[0]] == [6, 7, 8, None]
    assert len(shown(kafka, "aside")[0]) == 10


def shown(cloud: Cloud, *arguments: str, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """Run the program that shows dead letters; return its lines, and what it said of errors."""
    broker = cloud.endpoint("kafka")
    command = [str(envs.ensure("kafka")), "-P", "-m", "jobs.dead_letters", *arguments]
    command += ["--bootstrap", f"{broker.host}:{broker.port}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


MEMBER = """
one = consumer("workers", session_timeout_ms=2000, heartbeat_interval_ms=300)
one.subscribe(["shared"], on_assign=lambda _, parts: say(["has", sorted(each.partition for each in parts)]))
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    one.poll(0.1)
"""


def test_a_group_shares_partitions_again_when_a_member_dies(kafka: Cloud) -> None:
    run(kafka, "make('shared', 4); say(0)")
    members = [start(kafka, MEMBER)]
    try:
        assert json.loads(members[0].stdout.readline()) == ["has", [0, 1, 2, 3]]  # type: ignore[union-attr]
        members.append(start(kafka, MEMBER))
        halves = [json.loads(each.stdout.readline())[1] for each in members]  # type: ignore[union-attr]
        assert sorted(halves[0] + halves[1]) == [0, 1, 2, 3] and len(halves[0]) == 2
        members[0].kill()
        assert json.loads(members[1].stdout.readline()) == ["has", [0, 1, 2, 3]]  # type: ignore[union-attr]
    finally:
        for each in members:
            each.kill()
            each.communicate()


def test_what_a_group_committed_outlives_a_stop_and_a_kill(kafka: Cloud) -> None:
    rest = """
one = consumer("resumed")
one.subscribe(["resumed"])
found = []
while len(found) < int(sys.argv[2]):
    message = one.poll(0.5)
    if message is not None and not message.error():
        found.append(message.value().decode())
one.commit(asynchronous=False)
one.close()
say(found)
"""
    run(kafka, "make('resumed'); send('resumed', *map(str, range(9))); say(0)")
    assert run(kafka, rest, "9") == list("012345678")
    kafka.down(["kafka"])
    kafka.up(["kafka"])
    run(kafka, "send('resumed', 'after the stop'); say(0)")
    assert run(kafka, rest, "1") == ["after the stop"]
    killed(kafka)
    run(kafka, "send('resumed', 'after the kill'); say(0)")
    assert run(kafka, rest, "1") == ["after the kill"]


@pytest.mark.parametrize("idempotent", [True, False])
def test_an_idempotent_producer_that_sends_again_is_counted_once(kafka: Cloud, idempotent: bool) -> None:
    """The broker is frozen until the producer gives up waiting and sends again; both requests arrive then."""
    topic = f"again-{idempotent}".lower()
    code = """
name = sys.argv[2]
make(name)
by = producer(enable_idempotence=sys.argv[3] == "True", request_timeout_ms=1000, socket_timeout_ms=1500, retry_backoff_ms=100)
send(name, "first", by=by)
say("ready")
sys.stdin.readline()
by.produce(name, "second")
end = time.monotonic() + 2.5
while time.monotonic() < end:
    by.poll(0.1)
say("sent twice")
assert by.flush(30) == 0
say([value for _, _, _, value in read(name)])
"""
    process = start(kafka, code, topic, str(idempotent))
    assert process.stdout and process.stdin
    assert process.stdout.readline() == '"ready"\n'
    pid = pid_of(kafka, "kafka")
    os.kill(pid, signal.SIGSTOP)
    try:
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == '"sent twice"\n'
    finally:
        os.kill(pid, signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert found[0] == "first" and set(found[1:]) == {"second"}
    assert (len(found) == 2) == idempotent, "without idempotence it is there more than once: so it was sent again"


def test_an_aborted_transaction_is_unseen_and_a_fenced_one_stays_open_for_nobody(kafka: Cloud) -> None:
    found = run(
        kafka,
        """
make("paid")
by = producer(transactional_id="payer")
by.init_transactions(10)
by.begin_transaction(); send("paid", "aborted", by=by); by.abort_transaction(10)
by.begin_transaction(); send("paid", "committed", by=by); by.commit_transaction(10)
by.begin_transaction(); send("paid", "left open", by=by)
seen = [[value for *_, value in read("paid", level)] for level in ("read_committed", "read_uncommitted")]
other = producer(transactional_id="payer")
other.init_transactions(10)
try:
    by.commit_transaction(10)
    fenced = False
except KafkaException as error:
    fenced = error.args[0].code() == KafkaError._FENCED
say([*seen, fenced, [value for *_, value in read("paid")]])
""",
    )
    assert found == [["committed"], ["aborted", "committed", "left open"], True, ["committed"]]


def test_offsets_of_a_transaction_count_with_it(kafka: Cloud) -> None:
    found = run(
        kafka,
        """
make("source"); make("sink"); send("source", "a", "b", "c")
one = consumer("mover"); one.subscribe(["source"]); got = 0
while got < 3:
    message = one.poll(0.5)
    got += message is not None and not message.error()
by = producer(transactional_id="mover"); by.init_transactions(10)
committed = []
for end in (by.abort_transaction, by.commit_transaction):
    by.begin_transaction()
    send("sink", end.__name__, by=by)
    by.send_offsets_to_transaction(one.position(one.assignment()), one.consumer_group_metadata(), 10)
    end(10)
    committed.append(one.committed([TopicPartition("source", 0)], 10)[0].offset)
one.close()
say([committed, [value for *_, value in read("sink")]])
""",
    )
    assert found == [[-1001, 3], ["commit_transaction"]]


PRODUCE_THROUGH_A_KILL = """
import threading
by = producer(enable_idempotence=True, linger_ms=1)
acknowledged, number = [], 0
def note(error, message):
    if error is None:
        acknowledged.append(int(message.value()))
def produce_until(enough):
    global number
    while not enough():
        for _ in range(10):
            by.produce("killed", str(number), on_delivery=note)
            number += 1
        by.poll(0.002)
produce_until(lambda: len(acknowledged) >= 500)
say(len(acknowledged))
killed = threading.Thread(target=sys.stdin.readline)
killed.start()
produce_until(lambda: not killed.is_alive())
afterwards = number
produce_until(lambda: acknowledged[-1] >= afterwards + 500)
assert by.flush(20) == 0
say([number, afterwards, acknowledged])
send("killed", "last")
"""
CONSUME_UNTIL_THE_LAST = """
one, found = consumer("through"), []
one.subscribe(["killed"])
end = time.monotonic() + 60
while "last" not in found[-1:] and time.monotonic() < end:
    message = one.poll(0.2)
    if message is not None and message.error() is None:
        found.append(message.value().decode())
one.commit(asynchronous=False)
one.close()
say(found[:-1])
"""


def test_a_kill_in_the_middle_loses_nothing_that_was_acknowledged_and_doubles_nothing(kafka: Cloud) -> None:
    """Producer and consumer go on through it: what is sent again is there once."""
    run(kafka, "make('killed'); say(0)")
    reading = start(kafka, CONSUME_UNTIL_THE_LAST)
    process = start(kafka, PRODUCE_THROUGH_A_KILL)
    assert process.stdout
    before = json.loads(process.stdout.readline())
    killed(kafka)
    out, err = process.communicate("\n", timeout=60)
    assert process.returncode == 0, err
    sent, afterwards, acknowledged = json.loads(out)
    assert 0 < before < afterwards < max(acknowledged), "it was at work before, meanwhile and afterwards"
    found = [int(value) for *_, value in run(kafka, "say(read('killed'))")[:-1]]
    assert len(found) == len(set(found)), "nothing is there twice"
    assert set(acknowledged) == set(found) and len(found) == sent > 1000
    assert found == sorted(found), "and all is in order"
    out, err = reading.communicate(timeout=90)
    assert reading.returncode == 0, err
    assert list(map(int, json.loads(out))) == found, "who reads meanwhile gets the same, once"


def test_an_open_transaction_outlives_a_kill_and_is_committed_after_it(kafka: Cloud) -> None:
    code = """
make("spanning")
by = producer(transactional_id="spanning")
by.init_transactions(10)
by.begin_transaction(); send("spanning", "before", by=by)
say("ready")
sys.stdin.readline()
send("spanning", "after", by=by)
seen = [value for *_, value in read("spanning")]
by.commit_transaction(20)
say([seen, [value for *_, value in read("spanning")]])
"""
    process = start(kafka, code)
    assert process.stdout and process.stdin
    assert process.stdout.readline() == '"ready"\n'
    killed(kafka)
    out, err = process.communicate("\n", timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out) == [[], ["before", "after"]]


def test_a_hung_broker_is_noticed(kafka: Cloud) -> None:
    pid = pid_of(kafka, "kafka")
    os.kill(pid, signal.SIGSTOP)
    try:
        (found,) = [one for one in kafka.status() if one.name == "kafka"]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert found.state == "unhealthy" and "no answer on port" in found.note


def test_nothing_listens_beyond_this_machine_and_nobody_else_reads_its_data(kafka: Cloud) -> None:
    sockets = psutil.Process(pid_of(kafka, "kafka")).net_connections("inet")
    listening = [one.laddr for one in sockets if one.status == psutil.CONN_LISTEN]
    assert {each.ip for each in listening} == {"127.0.0.1"}
    assert kafka.endpoint("kafka").port in {each.port for each in listening}
    assert stat.S_IMODE(Path(kafka.services["kafka"].data).stat().st_mode) == 0o700


def test_a_named_cluster_takes_the_brokers_place(kafka: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = kafka.endpoint("kafka").url
    elsewhere = Cloud(tmp_path / "other")
    monkeypatch.setenv("KAFKA_BOOTSTRAP", f"127.0.0.1:9,{there}")
    assert elsewhere.up(["kafka"])["kafka"].url == f"127.0.0.1:9,{there}"
    assert elsewhere.kafka_brokers() == 1
    (found,) = [one for one in elsewhere.status() if one.name == "kafka"]
    assert (found.state, found.pid) == ("running", None) and "KAFKA_BOOTSTRAP" in found.note
    assert not elsewhere.supervisor.is_running()
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:9")
    with pytest.raises(OrreryError, match="no Kafka answers at KAFKA_BOOTSTRAP=127.0.0.1:9: .*refused"):
        elsewhere.up(["kafka"])


def test_where_the_time_of_appending_counts_no_producers_clock_is_believed(kafka: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "topics.json"
    settings = {"message.timestamp.type": "CreateTime"}
    for word in ("CreateTime", "LogAppendTime"):
        settings["message.timestamp.type"] = word
        file.write_text(json.dumps({"orrery-times-events": {"partitions": 1, "settings": settings}}))
        assert topics_job(kafka, "apply", "--topics", str(file)).returncode == 0
    before, tomorrow = int(time.time() * 1000), int(time.time() * 1000) + 86_400_000
    code = """
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME
topic, tomorrow, told = "orrery-times-events", int(sys.argv[2]), []
for codec in ("none", "gzip", "lz4", "zstd"):
    by = producer(enable_idempotence=True, compression_codec=codec, linger_ms=200)
    for number in range(500):
        note = lambda error, message: told.append(message.timestamp())
        by.produce(topic, f"{number}" * 50, timestamp=tomorrow, on_delivery=note)
    assert by.flush(20) == 0
one = consumer("times", check_crcs=True)
one.assign([TopicPartition(topic, 0, 0)])
found = []
while len(found) < 2000:
    message = one.poll(20)
    assert message is not None and not message.error(), message and message.error()
    found.append(message.timestamp())
ask = lambda moment: one.offsets_for_times([TopicPartition(topic, 0, moment)], timeout=10)[0].offset
kinds = {kind for kind, _ in told + found}
assert kinds == {TIMESTAMP_LOG_APPEND_TIME}, kinds
times = sorted(at for _, at in told + found)
say([times[0], times[-1], ask(times[0]), ask(times[-1] + 1)])
"""
    first, last, at_first, after_last = run(kafka, code, str(tomorrow))
    assert before <= first <= last <= time.time() * 1000
    assert (at_first, after_last) == (0, -1), "and a search by time goes by that time"
    kafka.drop_topics("orrery-times-")


def test_topics_are_made_as_declared_grown_and_never_shrunk(kafka: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "topics.json"

    def declare(partitions: int, **settings: object) -> None:
        file.write_text(json.dumps({"orrery-job-events": {"partitions": partitions, "settings": settings}}))

    declare(2, **{"retention.ms": 60000})
    checked = topics_job(kafka, "apply", "--check", "--topics", str(file))
    assert checked.returncode == 3 and "to be made: 2 partitions, replication 1" in checked.stdout
    assert topics_job(kafka, "apply", "--topics", str(file)).returncode == 0
    assert topics_job(kafka, "apply", "--topics", str(file)).stdout == "1 topics are as declared\n"
    declare(3, **{"retention.ms": 120000, "cleanup.policy": "compact"})
    told = topics_job(kafka, "apply", "--topics", str(file)).stdout
    assert "2 -> 3 partitions" in told and "retention.ms 60000 -> 120000" in told and "delete -> compact" in told
    declare(1, **{"retention.ms": 1})
    refused = topics_job(kafka, "apply", "--topics", str(file))
    assert refused.returncode == 1 and "Kafka can't take any away" in refused.stderr
    assert topics_job(kafka, "apply", "--check", "--topics", str(file)).returncode == 3, "and nothing was changed"
    kafka.drop_topics("orrery-job-")
    assert run(kafka, "say('orrery-job-events' in admin.list_topics(timeout=10).topics)") is False
    kafka.drop_topics("orrery-job-")


def test_a_group_that_still_has_members_does_not_keep_the_topics(kafka: Cloud) -> None:
    run(kafka, "make('orrery-busy-events'); say(0)")
    member = start(kafka, MEMBER.replace("workers", "orrery-busy-readers").replace("shared", "orrery-busy-events"))
    try:
        assert json.loads(member.stdout.readline()) == ["has", [0]]  # type: ignore[union-attr]
        removed = topics_job(kafka, "remove", "--prefix", "orrery-busy-")
        assert (removed.returncode, removed.stdout) == (0, "removed orrery-busy-events\n"), removed.stderr
    finally:
        member.kill()
        member.communicate()
