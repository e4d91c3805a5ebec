"""The broker's log, groups and codec without a socket; topics as declared; which cluster is meant."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from infra.errors import OrreryError
from infra.local import Cloud, kafka
from infra.local.broker import groups as groups_module
from infra.local.broker import log, wire
from infra.local.broker.checksum import crc32c
from infra.local.broker.groups import Groups, Journal, Offset
from infra.local.broker.log import Partition, Refused, Topics
from infra.local.broker.server import Broker
from infra.local.broker.transactions import Transactions, marker
from infra.local.service import Place
from infra.paths import ROOT
from jobs import kafka_topics
from jobs.kafka import client_settings
from jobs.kafka_topics import Found, Topic, TopicsRefused


def batch(
    count: int = 1, *, producer: int = -1, epoch: int = 0, sequence: int = -1, open: bool = False, at: int = 1000
) -> bytes:
    """Return a batch as a client sends it; the broker reads nothing but its header."""
    rest = log.HEADER.pack(0, 0, 0, 2, 0, 0x10 if open else 0, count - 1, at, at, producer, epoch, sequence, count)[21:]
    rest += b"r" * 20 * count
    return struct.pack(">qiibI", 0, len(rest) + 9, 0, 2, zlib.crc32(rest)) + rest


def valid(sent: bytes) -> bytes:
    """Return a batch with the checksum that it has to have."""
    return sent[:17] + struct.pack(">I", crc32c(sent[21:])) + sent[21:]


def failing_once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, at: int = 1) -> None:
    """Let one call of a method find the disk full."""
    whole, calls = getattr(owner, name), []

    def call(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == at:
            raise OSError(28, "No space left on device")
        return whole(*args)

    monkeypatch.setattr(owner, name, call)


def offsets(data: bytes) -> list[int]:
    return [each.base for each, _ in log.batches(data)]


# ------------------------------------------------------------------------------------------------ log


def test_what_was_appended_is_read_from_any_offset_and_after_a_restart(tmp_path: Path) -> None:
    part = Partition(tmp_path, {"segment.bytes": "400"})
    assert [part.append(batch(3)) for _ in range(10)] == list(range(0, 30, 3))
    assert len(list(tmp_path.glob("*.log"))) > 2
    for again in (part, Partition(tmp_path, {})):
        assert again.end == 30
        assert offsets(again.read(0, 1 << 20, 30)) == list(range(0, 30, 3))
        assert offsets(again.read(7, 1 << 20, 15)) == [6, 9, 12], "the whole batch that holds the offset"
        assert offsets(again.read(7, 1, 30)) == [6], "one batch at least"
        assert offsets(again.read(0, 300, 30)) == [0, 3], "as many as fit"
    part.close()


@pytest.mark.parametrize("cut", [1, 30, 61, 80])
def test_a_batch_that_was_half_written_is_cut_away_and_told(
    tmp_path: Path, cut: int, capsys: pytest.CaptureFixture[str]
) -> None:
    part = Partition(tmp_path, {})
    part.append(batch(2))
    part.append(batch(2))
    (file,) = tmp_path.glob("*.log")
    file.write_bytes(file.read_bytes()[:-cut])
    again = Partition(tmp_path, {})
    assert f"{file}: {len(batch(2)) - cut} bytes at its end" in capsys.readouterr().out
    assert again.end == 2 and offsets(again.read(0, 1 << 20, 2)) == [0]
    assert again.append(batch()) == 2


def test_a_batch_that_is_sent_again_is_there_once_and_a_gap_is_refused(tmp_path: Path) -> None:
    part = Partition(tmp_path, {})
    sent = [batch(2, producer=7, sequence=number) for number in (0, 2, 4)]
    assert [part.append(each) for each in sent] == [0, 2, 4]
    for again in (part, Partition(tmp_path, {})):
        assert again.append(sent[1]) == 2 and again.end == 6
        with pytest.raises(Refused) as caught:
            again.append(batch(producer=7, sequence=9))
        assert caught.value.code == log.OUT_OF_ORDER
        with pytest.raises(Refused) as caught:
            again.append(batch(producer=7, epoch=-1, sequence=6))
        assert caught.value.code == log.OLD_EPOCH
    assert part.append(batch(producer=7, epoch=1, sequence=0)) == 6


def test_bytes_that_are_no_batches_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    part = Partition(tmp_path, {"max.message.bytes": "200"})
    old = bytearray(batch())
    old[16] = 1
    control = marker(7, 0, commit=True)
    for data in (b"", b"x" * 70, batch()[:-1], bytes(old), control, batch(20)):
        with pytest.raises(Refused):
            part.append(data)
    assert part.end == 0


def test_old_segments_go_and_open_transactions_keep_theirs(tmp_path: Path) -> None:
    settings = {"segment.bytes": "150", "retention.ms": "5000"}
    part = Partition(tmp_path, settings)
    for number in range(4):
        part.append(batch(at=1000 * number))
    part.retain(now_ms=6500)
    assert (part.start, part.end) == (2, 4)
    assert Partition(tmp_path, settings).start == 2
    part.append(batch(producer=9, sequence=0, open=True, at=0))
    part.retain(now_ms=1e12)
    assert part.start == 4, "the open transaction is still there"
    part.mark(marker(9, 0, commit=True), 9)
    part.retain(now_ms=2e15)
    assert (part.start, part.end) == (6, 6)
    assert Partition(tmp_path, settings).end == 6, "offsets go on where they were"


def test_size_is_kept_in_bounds_and_records_can_be_deleted(tmp_path: Path) -> None:
    part = Partition(tmp_path, {"segment.bytes": "150", "retention.ms": "-1", "retention.bytes": "200"})
    for _ in range(10):
        part.append(batch())
    part.retain(now_ms=0)
    assert sum(each.size for each in part.segments) <= 300 and part.start > 5
    assert part.delete_before(-1) == 10
    with pytest.raises(Refused):
        part.delete_before(11)


def test_a_full_disk_is_emptied_by_retention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    part = Partition(tmp_path, {"segment.bytes": "300"})
    for number in range(6):
        part.append(batch(at=1000 * number))
    monkeypatch.setattr(Path, "write_text", full)
    part.settings = {"retention.ms": "1000"}
    part.retain(now_ms=4500)
    assert part.start == part.segments[0].base == Partition(tmp_path, {}).start == 3
    with pytest.raises(OSError):
        part.delete_before(4)
    assert part.start == 3 and offsets(part.read(3, 1 << 20, 6)) == [3, 4, 5]


def test_a_topic_that_the_disk_refuses_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = Topics(tmp_path)
    for name in ("a", "b"):
        topics.create(name, 1, {"retention.ms": "1"})
        topics.get(name, 0).append(batch())
    failing_once(monkeypatch, topics.get("a", 0), "delete_before")
    topics.retain()
    assert [topics.get(name, 0).start for name in ("a", "b")] == [0, 1]
    assert "a: [Errno 28] No space left on device" in capsys.readouterr().out


def test_a_moment_is_found_by_its_batch(tmp_path: Path) -> None:
    part = Partition(tmp_path, {})
    for at in (1000, 2000, 3000):
        part.append(batch(2, at=at))
    assert part.at_time(1500) == (2, 2000) and part.at_time(0) == (0, 1000) and part.at_time(9000) == (-1, -1)


def test_where_the_time_of_appending_counts_the_batch_says_it_and_its_checksum_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"message.timestamp.type": "LogAppendTime"}
    part = Partition(tmp_path, settings)
    monkeypatch.setattr(log.time, "time", lambda: 2000.5)
    for count in (1, 3, 50, 7000):
        part.append(valid(batch(count, at=9_000_000_000_000)))  # by a clock that is in the year 2255
    again = valid(batch(2, producer=7, sequence=0, at=1000))
    part.append(again)
    monkeypatch.setattr(log.time, "time", lambda: 2003.0)
    assert part.appended_at(part.append(again)) == 2_000_500, "one that is sent again was appended the first time"
    for found, piece in log.batches(part.read(0, 1 << 30, part.end)):
        assert (found.latest_ms, found.attributes & 0x08) == (2_000_500, 0x08)
        assert crc32c(bytes(piece[21:])) == struct.unpack_from(">I", piece, 17)[0], found
    assert part.at_time(2_000_500) == (0, 2_000_500) and part.at_time(2_000_501) == (-1, -1)
    part.close()
    assert Partition(tmp_path, settings).at_time(2_000_500) == (0, 2_000_500), "and so it is after a restart"


def test_a_batch_that_was_damaged_on_its_way_is_still_damaged_with_the_brokers_time(tmp_path: Path) -> None:
    part = Partition(tmp_path, {"message.timestamp.type": "LogAppendTime"})
    part.append(valid(batch(5))[:-1] + b"x")
    ((_, piece),) = log.batches(part.read(0, 1 << 20, part.end))
    assert crc32c(bytes(piece[21:])) != struct.unpack_from(">I", piece, 17)[0]


def test_whose_time_counts_is_the_topics_word_and_not_the_producers(tmp_path: Path) -> None:
    part = Partition(tmp_path, {})
    sent = valid(batch(1, at=1000))
    assert part.appended_at(part.append(sent)) == -1 and part.at_time(0) == (0, 1000)
    with pytest.raises(Refused, match="LogAppendTime is the topic's to say"):
        part.append(sent[:21] + b"\0\x08" + sent[23:])
    with pytest.raises(Refused, match="Invalid value Sometimes for configuration message.timestamp.type"):
        log.check_settings({"message.timestamp.type": "Sometimes"})


def test_a_topic_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    topics = Topics(tmp_path)
    topics.create("events", 2, {"retention.ms": "60000"})
    for name, partitions, settings in (
        ("events", 1, {}),
        ("..", 1, {}),
        ("a/b", 1, {}),
        ("x", 0, {}),
        ("x", 1, {"retention.ms": "long"}),
        ("x", 1, {"nonsense": "1"}),
        ("x", 1, {"cleanup.policy": "burn"}),
    ):
        with pytest.raises(Refused):
            topics.create(name, partitions, settings)
    (tmp_path / "~half").mkdir()
    topics.grow("events", 3)
    with pytest.raises(Refused):
        topics.grow("events", 3)
    again = Topics(tmp_path)
    assert list(again.all) == ["events"] and len(again.all["events"].partitions) == 3
    again.configure("events", {"retention.ms": "1"})
    assert again.get("events", 2).setting("retention.ms") == "1"
    again.delete("events")
    assert list(tmp_path.iterdir()) == []


def test_a_topic_that_the_disk_refused_is_made_grown_and_configured_when_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics(tmp_path)
    for name in ("write_json", "Partition"):  # it fails before anything is there, and half way
        failing_once(monkeypatch, log, name, at=1 if name == "write_json" else 2)
        with pytest.raises(OSError):
            topics.create("t", 2, {})
        assert list(tmp_path.iterdir()) == [] and not topics.all
    topics.create("t", 2, {})
    failing_once(monkeypatch, log, "write_json")
    with pytest.raises(OSError):
        topics.grow("t", 4)
    failing_once(monkeypatch, log, "Partition", at=2)
    with pytest.raises(OSError):
        topics.grow("t", 4)
    assert len(topics.all["t"].partitions) == 2
    topics.grow("t", 4)
    failing_once(monkeypatch, log, "write_json")
    with pytest.raises(OSError):
        topics.configure("t", {"retention.ms": "1"})
    assert topics.get("t", 3).setting("retention.ms") != "1"
    again = Topics(tmp_path)
    assert len(again.all["t"].partitions) == 4 and not again.all["t"].settings


def test_a_second_broker_leaves_the_data_of_the_first_alone(tmp_path: Path) -> None:
    first = Broker(tmp_path, "127.0.0.1", 0)
    first.topics.create("t", 1, {})
    (file,) = (tmp_path / "topics" / "t" / "0").glob("*.log")
    file.write_bytes(b"being written")
    command = [sys.executable, "-P", "-m", "infra.local.broker", str(tmp_path), "0"]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and done.stdout == ""
    said = f"another broker has its data in {tmp_path} (next: stop that one, or take another folder)"
    assert done.stderr == f"error: {said}\n"
    assert file.read_bytes() == b"being written"


# --------------------------------------------------------------------------------- offsets, transactions


def test_a_journal_forgets_a_line_that_was_cut_off_and_shrinks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path / "j")
    journal.add([1])
    journal.add([2])
    (tmp_path / "j").write_bytes((tmp_path / "j").read_bytes()[:-2])
    again = Journal(tmp_path / "j")
    assert again.old == [[1]] and "j: 2 bytes at its end" in capsys.readouterr().out
    again.add([3])
    assert Journal(tmp_path / "j").old == [[1], [3]]
    again.replace([[4]])
    again.add([5])
    assert Journal(tmp_path / "j").old == [[4], [5]]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Topics, Groups, Transactions]]:
    topics, groups = Topics(tmp_path / "topics"), Groups(tmp_path)
    topics.create("t", 1, {})
    yield topics, groups, Transactions(tmp_path, topics, groups)


def test_a_decision_is_carried_out_after_a_crash(
    held: tuple[Topics, Groups, Transactions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics, groups, all = held
    producer, epoch = all.begin_producer("mover", 1000)
    one = all.check("mover", producer, epoch)
    all.add(one, {("t", 0)})
    all.add_offsets(one, {("g", "source", 0): Offset(5)})
    topics.get("t", 0).append(batch(producer=producer, sequence=0, open=True))
    monkeypatch.setattr(all, "_carry_out", lambda one: None)  # it dies once the decision is written
    all.end(one, commit=True)
    assert topics.get("t", 0).stable == 0 and all.pending("g") == {("source", 0)}
    topics, groups = Topics(tmp_path / "topics"), Groups(tmp_path)
    again = Transactions(tmp_path, topics, groups)
    assert topics.get("t", 0).stable == topics.get("t", 0).end == 2
    assert groups.offsets.of_group("g") == {("source", 0): Offset(5)} and again.pending("g") == set()
    assert again.begin_producer(None, 0)[0] > producer, "ids are never used twice"


def test_a_newer_holder_aborts_and_locks_out_the_older(held: tuple[Topics, Groups, Transactions]) -> None:
    topics, _, all = held
    producer, epoch = all.begin_producer("payer", 1000)
    all.add(all.check("payer", producer, epoch), {("t", 0)})
    all.check_produce("payer", producer, epoch, "t", 0)
    with pytest.raises(Refused):
        all.check_produce("payer", producer, epoch, "t", 1)
    part = topics.get("t", 0)
    part.append(batch(3, producer=producer, sequence=0, open=True))
    assert all.begin_producer("payer", 1000) == (producer, epoch + 1)
    assert part.aborted_between(0, part.end) == [{"producer": producer, "first": 0}]
    with pytest.raises(Refused):
        all.check("payer", producer, epoch)
    assert part.append(batch(producer=producer, epoch=epoch + 1, sequence=0)) == part.end - 1


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("commit", [True, False])
def test_an_end_that_the_disk_refused_is_carried_out_when_it_is_asked_for_again(
    held: tuple[Topics, Groups, Transactions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, commit: bool, at: int
) -> None:
    topics, _, all = held
    producer, epoch = all.begin_producer("mover", 1000)
    one = all.check("mover", producer, epoch)
    all.add(one, {("t", 0)})
    part = topics.get("t", 0)
    part.append(batch(producer=producer, sequence=0, open=True))
    if at < 3:
        failing_once(monkeypatch, all._journal, "add", at=at)
    else:
        failing_once(monkeypatch, part, "_write")
    with pytest.raises(OSError):
        all.end(one, commit=commit)
    all.end(one, commit=commit)
    assert part.stable == part.end == 2 and len(part.aborted) == (not commit)
    assert Transactions(tmp_path, topics, Groups(tmp_path)).all["mover"] == replace(one, begun=ANY)


def test_partitions_and_producers_that_the_disk_refused_are_asked_for_again(
    held: tuple[Topics, Groups, Transactions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    topics, _, all = held
    failing_once(monkeypatch, all._journal, "add", at=2)
    with pytest.raises(OSError):
        all.begin_producer("payer", 1000)
    producer, epoch = all.begin_producer("payer", 1000)
    one = all.check("payer", producer, epoch)
    for partitions in (set[tuple[str, int]](), {("t", 0)}):
        failing_once(monkeypatch, all._journal, "add")
        with pytest.raises(OSError):
            all.add(one, partitions)
        all.add(one, partitions)
        kept = Transactions(tmp_path, topics, Groups(tmp_path)).all["payer"]
        assert (kept.producer, kept.state, kept.partitions) == (producer, "open", partitions)
    part = topics.get("t", 0)
    part.append(batch(producer=producer, sequence=0, open=True))
    failing_once(monkeypatch, part, "_write")
    with pytest.raises(OSError):
        all.begin_producer("payer", 1000)
    all.begin_producer("payer", 1000)
    assert not part.open and len(part.aborted) == 1


def test_a_transaction_that_takes_too_long_is_aborted_once_the_disk_takes_it(
    held: tuple[Topics, Groups, Transactions], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, all = held
    for id in ("first", "second"):
        all.add(all.check(id, *all.begin_producer(id, 1)), {("t", 0)})
    failing_once(monkeypatch, all._journal, "add")

    async def play() -> None:
        watching = asyncio.create_task(all.watch())
        while not watching.done() and any(one.state == "open" for one in all.all.values()):
            await asyncio.sleep(0.01)
        assert watching.cancel()

    asyncio.run(asyncio.wait_for(play(), 10))
    assert {one.epoch for one in all.all.values()} == {1}
    assert "first: [Errno 28] No space left on device" in capsys.readouterr().out


def test_what_is_open_and_nobodys_is_aborted_at_the_start(
    held: tuple[Topics, Groups, Transactions], tmp_path: Path
) -> None:
    topics, groups, all = held
    producer, epoch = all.begin_producer("mine", 1000)
    all.add(all.check("mine", producer, epoch), {("t", 0)})
    part = topics.get("t", 0)
    part.append(batch(producer=producer, sequence=0, open=True))
    part.append(batch(producer=5, epoch=3, sequence=0, open=True))
    Transactions(tmp_path, topics, groups)
    assert list(part.open) == [producer] and part.aborted == [(5, 1, 2)]


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283


# ----------------------------------------------------------------------------------------------- groups


def request(member: str = "", **more: Any) -> dict[str, Any]:
    protocols = [{"name": "range", "metadata": b""}]
    facts = {"group": "g", "session": 1000, "rebalance": 1000, "kind": "consumer", "protocols": protocols}
    return {**facts, "member": member, **more}


def test_a_silent_member_makes_room_and_an_unknown_one_is_told(tmp_path: Path) -> None:
    async def play() -> None:
        groups = Groups(tmp_path)
        group = groups.get("g")
        watching = asyncio.create_task(groups.watch())
        with pytest.raises(Refused) as caught:
            await group.join(request(), 4, "c", "h")
        first = await group.join(request(caught.value.message), 4, "c", "h")
        assert first["leader"] == first["member"] and len(first["members"]) == 1
        share = [{"member": first["member"], "assignment": b"all"}]
        assert await group.sync({**first, "assignments": share}) == b"all"
        second = await group.join(request(), 3, "d", "h")  # the first never asks again
        assert second["generation"] == 2 and [each["member"] for each in second["members"]] == [second["member"]]
        for call in (group.heartbeat, group.sync):
            with pytest.raises(Refused):
                done = call({**first, "assignments": []})
                await done if done is not None else None
        with pytest.raises(Refused):
            groups.check_commit("g", -1, "")
        share = [{"member": second["member"], "assignment": b"all"}]
        await group.sync({**second, "assignments": share})
        restarted = Groups(tmp_path).get("g")
        restarted.heartbeat(second)
        assert restarted.members[second["member"]].assignment == b"all"
        group.leave(second["member"])
        assert group.state == "Empty" and not Groups(tmp_path).get("g").members
        watching.cancel()

    asyncio.run(play())


def test_a_member_without_a_protocol_is_refused(tmp_path: Path) -> None:
    group = Groups(tmp_path).get("g")
    with pytest.raises(Refused) as caught:
        asyncio.run(asyncio.wait_for(group.join(request(protocols=[]), 3, "c", "h"), 5))
    assert caught.value.code == 23 and not group.members


def test_a_group_that_fails_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play() -> None:
        groups = Groups(tmp_path)
        monkeypatch.setattr(groups.get("broken"), "tick", lambda: {}["nothing"])
        watching = asyncio.create_task(groups.watch())
        joined = await asyncio.wait_for(groups.get("g").join(request(), 3, "c", "h"), 5)  # the watch completes it
        assert joined["generation"] == 1
        watching.cancel()

    asyncio.run(play())
    assert "group broken: KeyError('nothing')" in capsys.readouterr().out


def test_shares_that_the_disk_refused_are_handed_out_when_the_leader_says_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        groups = Groups(tmp_path)
        group, watching = groups.get("g"), asyncio.create_task(groups.watch())
        first = await group.join(request(), 3, "c", "h")
        shares = {**first, "assignments": [{"member": first["member"], "assignment": b"all"}]}
        failing_once(monkeypatch, groups._journal, "add")
        with pytest.raises(OSError):
            await group.sync(shares)
        assert await group.sync(shares) == b"all"
        assert Groups(tmp_path).get("g").members[first["member"]].assignment == b"all"
        watching.cancel()

    asyncio.run(play())


def test_a_journal_that_shrinks_keeps_a_group_that_is_just_rebalancing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        groups = Groups(tmp_path)
        watching = asyncio.create_task(groups.watch())
        first: dict[str, Any] = {}
        for name in ("g", "h"):
            first[name] = await groups.get(name).join(request(), 3, "c", "h")
            share = [{"member": first[name]["member"], "assignment": b"all"}]
            await groups.get(name).sync({**first[name], "assignments": share})
        joining = asyncio.create_task(groups.get("g").join(request(), 3, "d", "h"))
        await asyncio.sleep(0)
        assert groups.get("g").state == "PreparingRebalance"
        monkeypatch.setattr(groups_module, "LINES_KEPT", 0)
        for _ in range(3):
            groups._keep(groups.get("h"))
        assert groups._journal.lines < 5, "it was written again"
        restarted = Groups(tmp_path)
        for name in ("g", "h"):
            restarted.get(name).heartbeat(first[name])
        joining.cancel()
        watching.cancel()

    asyncio.run(play())


# ----------------------------------------------------------------------------------------------- the wire


@pytest.mark.parametrize("key", sorted(wire.APIS))
def test_every_message_is_read_as_it_was_written(key: int) -> None:
    api = wire.APIS[key]

    def filled(fields: wire.Fields, version: int) -> dict[str, Any]:
        found = {}
        for name, kind, *versions in fields:
            if wire._is_of(versions, version):
                found[name.rstrip("?")] = value(kind, version)
        return found

    def value(kind: Any, version: int) -> Any:
        if isinstance(kind, list):
            return [value(kind[0], version) if isinstance(kind[0], str) else filled(kind, version)] * 2
        return {"bool": True, "str": "é", "str?": "b", "bytes": b"c", "bytes?": b"d"}.get(kind, 7)

    for version in range(api.oldest, api.newest + 1):
        for fields in (api.request, api.answer):
            wanted, flexible = filled(fields, version), version >= api.flexible
            data = wire.encode(fields, wanted, version, flexible)
            reader = wire.Reader(data)
            assert wire.decode(reader, fields, version, flexible) == wanted and reader.at == len(data)
            for cut in range(len(data)):
                with pytest.raises(wire.Malformed):
                    wire.decode(wire.Reader(data[:cut]), fields, version, flexible)


# ------------------------------------------------------------------------------------------ which cluster


@pytest.mark.parametrize("value", ["here", "here:", ":9092", "a:0", "a:70000", "a:b", "kafka://a:9092", "a:1,,b:2"])
def test_a_cluster_is_named_by_host_and_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", value)
    with pytest.raises(OrreryError, match="is not host:port"):
        kafka.Kafka(Place(tmp_path)).elsewhere()


def test_without_a_name_it_is_the_local_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    assert kafka.Kafka(Place(tmp_path)).elsewhere() is None
    monkeypatch.setenv("KAFKA_BOOTSTRAP", " a:1, [::1]:2 ")
    there = kafka.Kafka(Place(tmp_path)).elsewhere()
    assert there is not None and (there.url, there.host, there.port) == ("a:1,[::1]:2", "a", 1)
    assert kafka.parse(there.url) == [("a", 1), ("::1", 2)]


def test_brokers_are_counted_by_the_first_server_that_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def asked(host: str, port: int) -> list[tuple[str, int]]:
        if host == "gone":
            raise ConnectionRefusedError(111, "Connection refused")
        return [(host, port), ("another", 1), ("third", 1)]

    monkeypatch.setattr(kafka, "brokers", asked)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "gone:1,there:2")
    assert Cloud(tmp_path).kafka_brokers() == 3
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "gone:1,gone:2")
    with pytest.raises(OrreryError, match="no Kafka answers at gone:1,gone:2: .*refused.*refused"):
        Cloud(tmp_path).kafka_brokers()


# -------------------------------------------------------------------------------------------------- topics


class FakeCluster:
    """A cluster that remembers what it was asked to change."""

    def __init__(self, **found: Found) -> None:
        self.there, self.changed = found, list[str]()

    def found(self, names: list[str]) -> dict[str, Found]:
        return {name: each for name, each in self.there.items() if name in names}

    def create(self, topic: Topic) -> None:
        self.changed.append(f"create {topic.name}")

    def grow(self, topic: Topic) -> None:
        self.changed.append(f"grow {topic.name} {topic.partitions}")

    def configure(self, name: str, settings: dict[str, str]) -> None:
        self.changed.append(f"configure {name} {settings}")


def test_topics_are_made_grown_and_configured_and_told() -> None:
    cluster: Any = FakeCluster(old=Found(2, 1, {"retention.ms": "5"}), same=Found(1, 1, {}))
    topics = [Topic("new", 3), Topic("old", 4, 1, {"retention.ms": "6"}), Topic("same", 1)]
    told = kafka_topics.apply(cluster, topics, check=True)
    assert cluster.changed == [] and len(told) == 3
    assert kafka_topics.apply(cluster, topics) == told
    assert cluster.changed == ["create new", "grow old 4", "configure old {'retention.ms': '6'}"]


@pytest.mark.parametrize("topic", [Topic("old", 1), Topic("old", 2, 3)])
def test_a_topic_is_neither_shrunk_nor_moved_and_no_other_is_touched_then(topic: Topic) -> None:
    cluster: Any = FakeCluster(old=Found(2, 1, {}))
    with pytest.raises(TopicsRefused, match="declared"):
        kafka_topics.apply(cluster, [Topic("new", 1), topic])
    assert cluster.changed == []


@pytest.mark.parametrize(
    "facts", [None, {}, {"partitions": "x"}, {"partitions": 0}, {"partitions": 1, "replication": 0}]
)
def test_a_declaration_that_says_nothing_is_refused(facts: Any) -> None:
    with pytest.raises(TopicsRefused, match="events: "):
        kafka_topics.read({"events": facts})


def test_iam_is_a_login_with_a_token_over_tls() -> None:
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "b:9098", "KAFKA_AUTHENTICATION": "iam", "AWS_REGION": "eu-west-1"}
    settings = client_settings(environment)
    assert (settings["security.protocol"], settings["sasl.mechanism"]) == ("SASL_SSL", "OAUTHBEARER")
    with pytest.raises(KeyError, match="AWS_REGION"):
        client_settings({key: value for key, value in environment.items() if key != "AWS_REGION"})
    with pytest.raises(ValueError, match="none of"):
        client_settings({**environment, "KAFKA_AUTHENTICATION": "password"})
