"""What each request does, and the connections that they come by."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
import struct
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO

from infra.errors import OrreryError
from infra.local.broker.groups import Groups, Offset
from infra.local.broker.log import (
    DEFAULTS,
    INVALID_CONFIG,
    OUT_OF_RANGE,
    UNKNOWN_TOPIC,
    WORDS,
    Refused,
    Topics,
    batches,
    write_json,
)
from infra.local.broker.transactions import Transactions
from infra.local.broker.wire import APIS, Malformed, Reader, decode, encode

NODE = 1
LARGEST_REQUEST = 100 << 20
LARGEST_ANSWER = 50 << 20
RETENTION_EVERY_S = 1.0
INVALID_REPLICATION, INVALID_REQUEST, UNSUPPORTED_VERSION, DISK, UNSTABLE = 38, 42, 35, 56, 88
TOPIC, BROKER = 2, 4
FROM_TOPIC, FROM_DEFAULT = 1, 5
READ_COMMITTED = 1
EARLIEST, LATEST = -2, -1

Answer = dict[str, Any]


class Broker:
    """One broker, and its cluster.

    Parameters
    ----------
    folder : Path
        Where everything is kept.
    host, port : str, int
        Where it listens, and what it tells clients.

    Raises
    ------
    OrreryError
        Another broker has the folder.
    """

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.host, self.port = host, port
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _held(folder)  # before anything is opened: that cuts away what another is writing
        self.cluster = _cluster_id(folder)
        self.topics = Topics(folder / "topics")
        self.groups = Groups(folder)
        self.transactions = Transactions(folder, self.topics, self.groups)
        self._grown = asyncio.Event()

    async def serve(self) -> None:
        """Listen until the process is told to stop."""
        server = await asyncio.start_server(self._connected, self.host, self.port)
        watching = [asyncio.create_task(each) for each in self._watches()]
        print(f"kafka listens on {self.host}:{self.port}, {len(self.topics.all)} topics", flush=True)
        async with server:
            await asyncio.gather(server.serve_forever(), *watching)

    def _watches(self) -> list[Any]:
        return [self.groups.watch(), self.transactions.watch(), self._retain()]

    async def _retain(self) -> None:
        while True:
            self.topics.retain()
            await asyncio.sleep(RETENTION_EVERY_S)

    # ------------------------------------------------------------------------------------ connections

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other: clients rely on their order."""
        peer = str(writer.get_extra_info("peername")[0])
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                if not 8 <= size <= LARGEST_REQUEST:
                    raise Malformed(f"a request of {size} bytes")
                answer = await self._answer(await reader.readexactly(size), peer)
                if answer is not None:
                    writer.write(struct.pack(">i", len(answer)) + answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client goes, or the broker stops
        except Malformed as error:
            print(f"{peer} does not speak Kafka: {error}", flush=True)
        except Exception:
            traceback.print_exc()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, data: bytes, peer: str) -> bytes | None:
        reader = Reader(data)
        key, version, correlation = reader.number("i16"), reader.number("i16"), reader.number("i32")
        api = APIS.get(key)
        head = struct.pack(">i", correlation)
        if api is None or not api.oldest <= version <= api.newest:
            if key == 18:  # a client that is newer asks again with a version that it finds here
                return head + encode(APIS[18].answer, self._versions() | {"error": UNSUPPORTED_VERSION}, 0, False)
            raise Malformed(f"request {key} in version {version}")
        size = reader.length("i16", False)
        client = reader.take(size).decode(errors="replace") if size > 0 else ""
        flexible = version >= api.flexible
        if flexible:
            reader.skip_tags()
        request = decode(reader, api.request, version, flexible)
        handle: Callable[..., Awaitable[Answer | None]] = getattr(self, f"on_{api.name}")
        try:
            answer = await handle(request, version=version, client=client, peer=peer)
        except Refused as error:
            answer = {"error": error.code, "member": error.message}
        if answer is None:
            return None
        tags = b"\0" if flexible and key != 18 else b""
        return head + tags + encode(api.answer, answer, version, flexible)

    # --------------------------------------------------------------------------------------- the cluster

    async def on_api_versions(self, request: Answer, **_: Any) -> Answer:
        """Say which requests are understood."""
        return self._versions()

    def _versions(self) -> Answer:
        apis = [{"key": key, "oldest": each.oldest, "newest": each.newest} for key, each in sorted(APIS.items())]
        return {"apis": apis}

    async def on_metadata(self, request: Answer, version: int, **_: Any) -> Answer:
        """Say which brokers and topics there are. No topic is made by asking for it, as on MSK."""
        wanted = request["topics"]
        everything = wanted is None or (version == 0 and not wanted)
        topics = []
        for name in sorted(self.topics.all) if everything else wanted:
            topic = self.topics.all.get(name)
            parts = range(len(topic.partitions)) if topic else ()
            each = [{"index": one, "leader": NODE, "replicas": [NODE], "isr": [NODE]} for one in parts]
            error = 0 if topic else UNKNOWN_TOPIC
            topics.append({"error": error, "name": name, "partitions": each, "operations": -(1 << 31)})
        own = {"cluster": self.cluster, "controller": NODE, "operations": -(1 << 31)}
        return {"brokers": [self._self()], "topics": topics, **own}

    async def on_describe_cluster(self, request: Answer, **_: Any) -> Answer:
        """Say which brokers there are."""
        own = {"cluster": self.cluster, "controller": NODE, "operations": -(1 << 31)}
        return {"brokers": [self._self()], **own}

    async def on_find_coordinator(self, request: Answer, **_: Any) -> Answer:
        """There is one broker: it coordinates everything."""
        return self._self()

    def _self(self) -> Answer:
        return {"node": NODE, "host": self.host, "port": self.port}

    # ------------------------------------------------------------------------------------------ records

    async def on_produce(self, request: Answer, **_: Any) -> Answer | None:
        """Append records."""
        topics = []
        for topic in request["topics"]:
            parts = [self._appended(topic["name"], each, request["transactional_id"]) for each in topic["partitions"]]
            topics.append({"name": topic["name"], "partitions": parts})
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
        return {"topics": topics} if request["acks"] != 0 else None

    def _appended(self, topic: str, part: Answer, transactional_id: str | None) -> Answer:
        answer = {"index": part["index"], "base_offset": -1, "append_time": -1, "log_start": -1}
        try:
            partition = self.topics.get(topic, part["index"])
            records = part["records"] or b""
            if transactional_id is not None:
                for batch, _ in batches(records):
                    self.transactions.check_produce(transactional_id, batch.producer, batch.epoch, topic, part["index"])
            base = partition.append(records)
            answer |= {"base_offset": base, "append_time": partition.appended_at(base), "log_start": partition.start}
        except Refused as error:
            answer |= {"error": error.code, "message": error.message}
        except OSError as error:
            print(f"{topic}-{part['index']}: {error}", flush=True)
            answer |= {"error": DISK, "message": error.strerror}
        return answer

    async def on_fetch(self, request: Answer, **_: Any) -> Answer:
        """Return records: at once when there are enough, else when enough come, or the time is over."""
        deadline = time.monotonic() + request["max_wait"] / 1000
        while True:
            grown = self._grown
            topics, size, failed = self._fetched(request)
            left = deadline - time.monotonic()
            if size >= request["min_bytes"] or failed or left <= 0:
                return {"topics": topics}
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(grown.wait(), left)

    def _fetched(self, request: Answer) -> tuple[list[Answer], int, bool]:
        topics, size, failed = [], 0, False
        most = min(request["max_bytes"], LARGEST_ANSWER)
        for topic in request["topics"]:
            parts = []
            for part in topic["partitions"]:
                answer = self._records(topic["name"], part, request["isolation"], most - size, size == 0)
                size += len(answer["records"])
                failed = failed or bool(answer.get("error"))
                parts.append(answer)
            topics.append({"name": topic["name"], "partitions": parts})
        return topics, size, failed

    def _records(self, topic: str, part: Answer, isolation: int, most: int, first: bool) -> Answer:
        answer = {"index": part["index"], "preferred": -1, "high_watermark": -1, "stable": -1, "log_start": -1}
        answer["records"] = b""
        try:
            log = self.topics.get(topic, part["index"])
        except Refused as error:
            return answer | {"error": error.code}
        answer |= {"high_watermark": log.end, "stable": log.stable, "log_start": log.start}
        end = log.stable if isolation == READ_COMMITTED else log.end
        if not log.start <= part["offset"] <= log.end:
            return answer | {"error": OUT_OF_RANGE}
        if part["offset"] < end and (most > 0 or first):
            answer["records"] = log.read(part["offset"], min(most, part["max_bytes"]), end)
            if isolation == READ_COMMITTED:
                answer["aborted"] = log.aborted_between(part["offset"], end)
        return answer

    async def on_list_offsets(self, request: Answer, **_: Any) -> Answer:
        """Say where partitions begin and end, or where a moment is in them."""
        topics = []
        for topic in request["topics"]:
            parts = []
            for part in topic["partitions"]:
                answer = {"index": part["index"], "timestamp": -1, "offset": -1}
                try:
                    log = self.topics.get(topic["name"], part["index"])
                except Refused as error:
                    parts.append(answer | {"error": error.code})
                    continue
                if part["timestamp"] == EARLIEST:
                    answer["offset"] = log.start
                elif part["timestamp"] == LATEST:
                    answer["offset"] = log.stable if request.get("isolation") == READ_COMMITTED else log.end
                else:
                    answer["offset"], answer["timestamp"] = log.at_time(part["timestamp"])
                parts.append(answer)
            topics.append({"name": topic["name"], "partitions": parts})
        return {"topics": topics}

    async def on_delete_records(self, request: Answer, **_: Any) -> Answer:
        """Forget the beginning of partitions."""
        topics = []
        for topic in request["topics"]:
            parts = []
            for part in topic["partitions"]:
                try:
                    low = self.topics.get(topic["name"], part["index"]).delete_before(part["offset"])
                    parts.append({"index": part["index"], "low": low})
                except Refused as error:
                    parts.append({"index": part["index"], "low": -1, "error": error.code})
            topics.append({"name": topic["name"], "partitions": parts})
        return {"topics": topics}

    # ------------------------------------------------------------------------------------------- topics

    async def on_create_topics(self, request: Answer, **_: Any) -> Answer:
        """Make topics."""

        def make(topic: Answer) -> None:
            if topic["replication"] not in (-1, 1):
                wanted = (
                    f"The target replication factor of {topic['replication']} cannot be reached: there is 1 broker."
                )
                raise Refused(INVALID_REPLICATION, wanted)
            settings = {each["name"]: each["value"] or "" for each in topic["settings"]}
            count = 1 if topic["partitions"] == -1 else topic["partitions"]
            self.topics.create(topic["name"], count, settings, validate=request["validate"])

        return {"topics": _each(request["topics"], make)}

    async def on_delete_topics(self, request: Answer, **_: Any) -> Answer:
        """Delete topics, and what groups know about them."""

        def delete(topic: Answer) -> None:
            self.topics.delete(topic["name"])
            self.groups.offsets.forget(lambda key: key[1] == topic["name"])

        return {"topics": _each([{"name": each} for each in request["topics"]], delete)}

    async def on_create_partitions(self, request: Answer, **_: Any) -> Answer:
        """Give topics more partitions."""

        def grow(topic: Answer) -> None:
            self.topics.grow(topic["name"], topic["count"], validate=request["validate"])

        return {"topics": _each(request["topics"], grow)}

    async def on_describe_configs(self, request: Answer, **_: Any) -> Answer:
        """Say which settings topics have."""
        resources = []
        for asked in request["resources"]:
            answer = {"type": asked["type"], "name": asked["name"], "message": ""}
            if asked["type"] == BROKER:
                own = {"auto.create.topics.enable": "false", "default.replication.factor": "1", "num.partitions": "1"}
                answer["settings"] = [_setting(name, value, FROM_DEFAULT) for name, value in own.items()]
            elif asked["type"] != TOPIC or asked["name"] not in self.topics.all:
                answer |= {"error": UNKNOWN_TOPIC, "message": "there is no such topic"}
            else:
                set_here = self.topics.all[asked["name"]].settings
                answer["settings"] = [
                    _setting(name, set_here.get(name, value), FROM_TOPIC if name in set_here else FROM_DEFAULT)
                    for name, value in DEFAULTS.items()
                    if asked["keys"] is None or name in asked["keys"]
                ]
            resources.append(answer)
        return {"resources": resources}

    async def on_alter_configs(self, request: Answer, **_: Any) -> Answer:
        """Replace all settings of topics."""

        def replace(asked: Answer) -> None:
            settings = {each["name"]: each["value"] for each in asked["settings"] if each["value"] is not None}
            self._configure(asked, settings, request["validate"])

        return {"resources": _each(request["resources"], replace)}

    async def on_change_configs(self, request: Answer, **_: Any) -> Answer:
        """Change some settings of topics."""

        def change(asked: Answer) -> None:
            topic = self.topics.all.get(asked["name"])
            settings = dict(topic.settings) if topic else {}
            for each in asked["settings"]:
                if each["operation"] == 0:
                    settings[each["name"]] = each["value"] or ""
                elif each["operation"] == 1:
                    settings.pop(each["name"], None)
                else:
                    raise Refused(INVALID_CONFIG, "only SET and DELETE are understood")
            self._configure(asked, settings, request["validate"])

        return {"resources": _each(request["resources"], change)}

    def _configure(self, asked: Answer, settings: dict[str, str], validate: bool) -> None:
        if asked["type"] != TOPIC:
            raise Refused(INVALID_REQUEST, "only topics have settings that can be changed")
        self.topics.configure(asked["name"], settings, validate=validate)

    # ------------------------------------------------------------------------------------------- groups

    async def on_join_group(self, request: Answer, version: int, client: str, peer: str) -> Answer:
        """Take a member in; the answer waits for the others."""
        try:
            return await self.groups.get(request["group"]).join(request, version, client, f"/{peer}")
        except Refused as error:
            return {"error": error.code, "generation": -1, "member": error.message or request["member"]}

    async def on_sync_group(self, request: Answer, **_: Any) -> Answer:
        """Hand out partitions; the answer waits for the leader."""
        return {"assignment": await self.groups.get(request["group"]).sync(request)}

    async def on_heartbeat(self, request: Answer, **_: Any) -> Answer:
        """Note that a member lives."""
        self.groups.get(request["group"]).heartbeat(request)
        return {}

    async def on_leave_group(self, request: Answer, version: int, **_: Any) -> Answer:
        """Let members go."""
        group = self.groups.get(request["group"])
        if version < 3:
            group.leave(request["member"])
            return {}
        members = []
        for each in request["members"]:
            id = each["member"]
            if not id and each["instance"]:
                id = next((one.id for one in group.members.values() if one.instance == each["instance"]), "")
            try:
                group.leave(id)
                members.append(each)
            except Refused as error:
                members.append(each | {"error": error.code})
        return {"members": members}

    async def on_offset_commit(self, request: Answer, **_: Any) -> Answer:
        """Keep how far a group has come."""
        error = 0
        try:
            self.groups.check_commit(request["group"], request["generation"], request["member"])
        except Refused as refused:
            error = refused.code

        def keep(topic: str, part: Answer) -> None:
            if error:
                raise Refused(error)
            self.topics.get(topic, part["index"])
            offset = Offset(part["offset"], part.get("leader_epoch", -1), part["metadata"] or "")
            self.groups.offsets.commit((request["group"], topic, part["index"]), offset)

        return {"topics": _each_part(request["topics"], keep)}

    async def on_offset_fetch(self, request: Answer, **_: Any) -> Answer:
        """Say how far a group has come."""
        known = self.groups.offsets.of_group(request["group"])
        pending = self.transactions.pending(request["group"]) if request.get("stable") else set()
        wanted = request["topics"]
        if wanted is None:
            names = sorted({topic for topic, _ in known})
            wanted = [{"name": one, "partitions": [part for topic, part in known if topic == one]} for one in names]
        topics = []
        for topic in wanted:
            parts = []
            for number in topic["partitions"]:
                at = known.get((topic["name"], number), Offset(-1))
                answer: Answer = {"index": number, "offset": at.offset, "metadata": at.metadata}
                answer["leader_epoch"] = at.leader_epoch
                if (topic["name"], number) in pending:
                    answer |= {"offset": -1, "error": UNSTABLE}
                parts.append(answer)
            topics.append({"name": topic["name"], "partitions": parts})
        return {"topics": topics}

    async def on_describe_groups(self, request: Answer, **_: Any) -> Answer:
        """Say who is in groups."""
        groups = []
        for name in request["groups"]:
            group = self.groups.all.get(name)
            known = name in self.groups.names()
            answer: Answer = {"group": name, "state": "Empty" if known else "Dead", "operations": -(1 << 31)}
            if group and known:
                members = [
                    {
                        "member": each.id,
                        "instance": each.instance,
                        "client": each.client,
                        "host": each.host,
                        "metadata": each.protocols.get(group.protocol, b""),
                        "assignment": each.assignment,
                    }
                    for each in group.members.values()
                ]
                protocol = group.protocol if group.state == "Stable" else ""
                answer |= {"state": group.state, "kind": group.kind, "protocol": protocol, "members": members}
            groups.append(answer)
        return {"groups": groups}

    async def on_list_groups(self, request: Answer, **_: Any) -> Answer:
        """Say which groups there are."""
        kinds = {name: one.kind for name, one in self.groups.all.items()}
        return {"groups": [{"group": each, "kind": kinds.get(each, "")} for each in self.groups.names()]}

    async def on_delete_groups(self, request: Answer, **_: Any) -> Answer:
        """Forget groups without members."""
        found = _each([{"group": each} for each in request["groups"]], lambda one: self.groups.delete(one["group"]))
        return {"groups": found}

    # -------------------------------------------------------------------------------------- transactions

    async def on_init_producer(self, request: Answer, **_: Any) -> Answer:
        """Hand out a producer id."""
        try:
            producer, epoch = self.transactions.begin_producer(request["transactional_id"], request["timeout"])
        except Refused as error:
            return {"error": error.code, "producer": -1, "epoch": -1}
        return {"producer": producer, "epoch": epoch}

    async def on_add_partitions(self, request: Answer, **_: Any) -> Answer:
        """Take partitions into a transaction."""
        topics = [
            {"name": each["name"], "partitions": [{"index": one} for one in each["partitions"]]}
            for each in request["topics"]
        ]
        error = 0
        try:
            one = self.transactions.check(request["transactional_id"], request["producer"], request["epoch"])
            for topic in topics:
                for part in topic["partitions"]:
                    self.topics.get(topic["name"], part["index"])
            self.transactions.add(
                one, {(each["name"], number) for each in request["topics"] for number in each["partitions"]}
            )
        except Refused as refused:
            error = refused.code
        for topic in topics:
            for part in topic["partitions"]:
                part["error"] = error
        return {"topics": topics}

    async def on_add_offsets(self, request: Answer, **_: Any) -> Answer:
        """Begin to take a group's offsets into a transaction."""
        one = self.transactions.check(request["transactional_id"], request["producer"], request["epoch"])
        self.transactions.add(one, set())
        return {}

    async def on_transaction_offsets(self, request: Answer, **_: Any) -> Answer:
        """Take a group's offsets into a transaction."""

        def keep(topic: str, part: Answer) -> None:
            one = self.transactions.check(request["transactional_id"], request["producer"], request["epoch"])
            if request.get("generation", -1) >= 0 and request.get("member"):
                self.groups.get(request["group"]).check(request["member"], request["generation"])
            self.topics.get(topic, part["index"])
            offset = Offset(part["offset"], part.get("leader_epoch", -1), part["metadata"] or "")
            self.transactions.add_offsets(one, {(request["group"], topic, part["index"]): offset})

        return {"topics": _each_part(request["topics"], keep)}

    async def on_end_transaction(self, request: Answer, **_: Any) -> Answer:
        """Commit or abort."""
        one = self.transactions.check(request["transactional_id"], request["producer"], request["epoch"])
        self.transactions.end(one, commit=request["commit"])
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
        return {}


def _each(asked: list[Answer], act: Callable[[Answer], None]) -> list[Answer]:
    """Do something for each, and answer with its error."""
    found = []
    for one in asked:
        answer = {key: one[key] for key in ("name", "type", "group") if key in one}
        try:
            act(one)
        except Refused as error:
            answer |= {"error": error.code, "message": error.message}
        found.append(answer)
    return found


def _each_part(asked: list[Answer], act: Callable[[str, Answer], None]) -> list[Answer]:
    topics = []
    for topic in asked:
        parts = []
        for part in topic["partitions"]:
            answer = {"index": part["index"]}
            try:
                act(topic["name"], part)
            except Refused as error:
                answer["error"] = error.code
            parts.append(answer)
        topics.append({"name": topic["name"], "partitions": parts})
    return topics


def _setting(name: str, value: str, source: int) -> Answer:
    kind = 2 if name in WORDS else 5  # text or a large number, in Kafka's numbering
    return {"name": name, "value": value, "source": source, "type": kind}


def _cluster_id(folder: Path) -> str:
    path = folder / "cluster.json"
    if not path.exists():
        write_json(path, secrets.token_urlsafe(16))
    return path.read_text().strip().strip('"')


def _held(folder: Path) -> TextIO:
    """Hold a folder; the kernel lets go of it when the process ends, however it ends."""
    handle = open(folder / "lock", "a")  # noqa: SIM115  # held for as long as the broker is there
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise OrreryError(
            f"another broker has its data in {folder}", next_step="stop that one, or take another folder"
        ) from None
    return handle
