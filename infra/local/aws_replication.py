"""Replication of tables and buckets in the local AWS: MiniStack's writes go through a `Queue` instead of at once.

MiniStack 1.5.33 lets a write take effect in all regions before it answers. Here it travels (``replication.py``), waits
while its link is down, and is measured. The gateway imports this as a file, so it imports nothing from ``infra``.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.faults import Book, Running
    from infra.local.replication import Write

log = logging.getLogger("replication")

STATE_KEY = "orrery_replication"
READING_S = 1.0


class Replication:
    """Replication in one gateway.

    Parameters
    ----------
    core : module
        ``replication.py``, as the gateway loaded it.
    book : Book
        The faults, which say what links are down or slow.
    memory : Path
        The file that keeps the paces.
    changed : callable
        Called after a write arrived: there is something to save.
    """

    def __init__(self, core: Any, book: Book, memory: Path, changed: Callable[[], None]) -> None:
        self.core = core
        self.book = book
        self.changed = changed
        self.paces = core.Paces(memory)
        self.queue = core.Queue(self._apply, self._delay, self._down, self._held, ahead=self._ahead)
        self.arrivals: dict[str, Callable[[Write], None]] = {}

    def install(self) -> None:
        """Put it into MiniStack, before its state is loaded."""
        self.paces.recall()
        self.arrivals = {"dynamodb": Tables(self.core, self.queue).arrive, "s3": Buckets(self.core, self.queue).arrive}

    async def run(self) -> None:
        """Let writes arrive when they are due, and write the metrics, for as long as this process runs."""
        stirred, loop = asyncio.Event(), asyncio.get_running_loop()
        self.queue.wake = lambda: loop.call_soon_threadsafe(stirred.set)

        async def follow() -> None:
            stirred.set()

        self.book.followers.append(follow)
        measured = 0.0
        while True:
            stirred.clear()
            if self.queue.tick():
                self.changed()
                stirred.set()  # there may be more, and requests want their turn
            if time.monotonic() - measured >= READING_S:
                measured = time.monotonic()
                for reading in self.queue.readings():
                    try:
                        record(reading)
                    except Exception:  # an alarm's action, say: the writes have to arrive all the same
                        log.exception("a metric was not written: %s", reading)
            due = self.queue.next_due()
            wait = READING_S if due is None else min(READING_S, max(0.0, due - time.time()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stirred.wait(), wait)
            await asyncio.sleep(0)

    def control(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer the gateway's address: GET shows, PUT sets paces, DELETE sets the usual ones."""
        rest = path.removeprefix(self.core.ADDRESS).strip("/")
        if (method, rest) == ("GET", "pending"):
            names = ("service", "source", "target", "place", "key", "written", "due")
            return 200, {"pending": [{name: getattr(w, name) for name in names} for w in self.queue.pending()]}
        if rest or method not in ("GET", "PUT", "DELETE"):
            return 404, {"error": "unknown address"}
        if method != "GET":
            try:
                self.paces.set(self._wanted(body) if method == "PUT" else self.core.USUAL)
            except ValueError as error:
                return 400, {"error": str(error)}
        return 200, {"paces": self.paces.as_tables(), "links": self.queue.listing(), **self.queue.counts}

    def _wanted(self, body: bytes) -> dict[str, Any]:
        wanted = json.loads(body)
        if not isinstance(wanted, dict) or not wanted or not set(wanted) <= set(self.core.USUAL):
            raise ValueError(f"the body is a JSON object of paces, by service: {', '.join(self.core.USUAL)}")
        return {service: self.core.pace_from(table) for service, table in wanted.items()}

    # -- what the queue asks -----------------------------------------------------------------------------------

    def _apply(self, write: Write) -> None:
        self.arrivals[write.service](write)

    def _faults(self, kind: str, source: str, target: str) -> list[Running]:
        """Return the faults of a link: those of replication, and a region that refuses."""
        service = "" if kind == "refuse" else "replication"
        return [
            one
            for one in self.book.active
            if (one.fault.kind, one.fault.service) == (kind, service) and one.fault.region in ("", source, target)
        ]

    def _delay(self, service: str, source: str, target: str) -> float:
        more = [one for one in self._faults("delay", source, target) if source != target and one.strikes()]
        drawn: float = self.paces.draw(service, source, target)
        return drawn + sum(one.fault.latency.draw(one.generator) for one in more)

    def _down(self, source: str, target: str) -> bool:
        if source == target:  # two buckets of one region
            return False
        return bool(self._faults("hang", source, target) or self._faults("refuse", source, target))

    def _ahead(self, region: str) -> float:
        """Return how far a region's clock is ahead, when it says when a write was made."""
        skews = [one.fault for one in self.book.active if (one.fault.kind, one.fault.region) == ("skew", region)]
        return float(sum(each.ahead_s for each in skews))

    def _held(self, write: Write) -> None:
        for one in self._faults("hang", *write.link):
            one.strikes()  # so that the list of faults tells how many writes it holds


def record(reading: Any) -> None:
    """Write what one stream did into the source region's CloudWatch, as the service itself does."""
    from ministack.core.responses import request_scope
    from ministack.services.cloudwatch import record_metric

    with request_scope(reading.account, reading.source):
        if reading.service == "dynamodb":
            where = {"TableName": reading.stream[0], "ReceivingRegion": reading.target}
            record_metric("AWS/DynamoDB", "ReplicationLatency", reading.mean_s * 1000, "Milliseconds", where)
        else:
            where = dict(zip(("SourceBucket", "DestinationBucket", "RuleId"), reading.stream, strict=True))
            record_metric("AWS/S3", "ReplicationLatency", reading.longest_s, "Seconds", where)
            record_metric("AWS/S3", "OperationsPendingReplication", reading.pending, "Count", where)


# -------------------------------------------------------------------------------------------- tables


class Tables:
    """Global tables. What is on its way is saved with the tables, so that a restart finds both at one moment."""

    def __init__(self, core: Any, queue: Any) -> None:
        from ministack.services import dynamodb

        self.core = core
        self.queue = queue
        self.dynamodb: Any = dynamodb
        get_state, load_state = dynamodb.get_state, dynamodb.load_persisted_state

        def get_state_with_queue() -> Any:
            return {**get_state(), STATE_KEY: queue.export("dynamodb")}

        def load_state_with_queue(data: Any) -> Any:
            loaded = load_state(data)
            queue.restore("dynamodb", (data or {}).get(STATE_KEY, []))
            return loaded

        dynamodb.get_state, dynamodb.load_persisted_state = get_state_with_queue, load_state_with_queue
        dynamodb._replicate_write = self.leave

    def leave(self, table: dict[str, Any], event_name: str, old_item: Any, new_item: Any) -> None:
        """Send a write on its way to the table's other replicas; MiniStack calls it after each write."""
        regions = self.dynamodb._replica_group(table)
        if not regions:
            return
        account, home, name = self.dynamodb.get_account_id(), self.dynamodb.get_region(), table["TableName"]
        item = new_item if new_item is not None else old_item
        keys = {each: item[each] for each in (table["pk_name"], table["sk_name"]) if each}
        key, at = json.dumps(keys, sort_keys=True), self.queue.now()
        mine = ("dynamodb", account, home, name, key)
        written = self.queue.stamp(mine, at)
        self.queue.supersede(mine, written)
        for region in regions:
            replica = self.dynamodb._tables.get_scoped(account, region, name)
            if region != home and replica is not None:
                payload = {"table": replica.get("TableId"), "keys": keys, "new": copy.deepcopy(new_item)}
                write = self.core.Write("dynamodb", account, home, region, name, key, written, at, payload, (name,))
                self.queue.add(write)

    def arrive(self, write: Write) -> None:
        """Let a write take effect in a replica, unless it is another table by now."""
        dynamodb, keys, new = self.dynamodb, write.payload["keys"], write.payload["new"]
        with dynamodb.request_scope(write.account, write.target):
            replica = dynamodb._tables.get(write.place)
            if replica is None or replica.get("TableId") != write.payload["table"]:
                return
            pk = dynamodb._extract_key_val(keys[replica["pk_name"]])
            sk = dynamodb._extract_key_val(keys[replica["sk_name"]]) if replica["sk_name"] else "__no_sort__"
            previous = replica["items"].get(pk, {}).get(sk)
            if new is not None:
                dynamodb._set_item(replica, pk, sk, new)
            elif dynamodb._remove_item(replica, pk, sk) is None:
                return
            event = "REMOVE" if new is None else ("MODIFY" if previous else "INSERT")
            dynamodb._emit_stream_event(write.place, event, previous, copy.deepcopy(new), replicate=False)


# ------------------------------------------------------------------------------------------- buckets


class Buckets:
    """Replicated buckets. A version is marked PENDING on disk until its copy is there; a restart looks for the mark."""

    def __init__(self, core: Any, queue: Any) -> None:
        from ministack.core.responses import request_scope
        from ministack.services import s3

        self.core = core
        self.queue = queue
        self.s3: Any = s3
        self.request_scope = request_scope
        load_state = s3.load_persisted_state

        def load_state_and_look(data: Any) -> Any:
            loaded = load_state(data)
            self.find_pending()
            return loaded

        s3.load_persisted_state = load_state_and_look
        s3._maybe_replicate = self.leave
        s3._maybe_replicate_delete_marker = self.leave_marker

    def leave(self, bucket: str, key: str, obj: dict[str, Any], data: Any, tags: Any = None) -> None:
        """Send an object on its way; MiniStack calls it before the version gets its id."""
        rule, role = self.s3._replication_rule_for(bucket, key, tags)
        if rule is not None:
            self._send(bucket, key, obj, rule, role, self.queue.now())

    def leave_marker(self, bucket: str, key: str) -> None:
        """Send a delete marker on its way; MiniStack calls it when the marker is there."""
        rule, role = self._marker_rule(bucket, key)
        if rule is not None:
            marker = self.s3._object_versions[(bucket, key)][-1]
            self._send(bucket, key, marker, rule, role, self.queue.now())
            self.s3._persist_version_state(bucket, key, self.s3._buckets[bucket])

    def _marker_rule(self, bucket: str, key: str) -> tuple[Any, str]:
        """Return the rule that copies a key's delete markers: as MiniStack chooses it, which has no function for it."""
        s3, config = self.s3, self.s3._bucket_replication.get(bucket)
        if not config or s3._bucket_versioning.get(bucket) != "Enabled":
            return None, ""
        for rule in config.get("Rules", []):
            if rule.get("Status") == "Enabled" and key.startswith(s3._replication_rule_prefix(rule)):
                copied = (rule.get("DeleteMarkerReplication") or {}).get("Status") == "Enabled"
                if "Filter" in rule and (s3._replication_rule_tags(rule) or not copied):
                    return None, ""
                return rule, config.get("Role", "")
        return None, ""

    def _send(self, bucket: str, key: str, version: dict[str, Any], rule: Any, role: str, written: float) -> None:
        s3 = self.s3
        found = s3._replication_destination(bucket, key, rule, role)
        if found is None:
            version["replication_status"] = "FAILED"
            return
        name, owner, _ = found
        with s3._in_account(owner):
            target = s3.bucket_region(name)
        version["replication_status"] = "PENDING"
        metered = ((rule.get("Destination") or {}).get("Metrics") or {}).get("Status") == "Enabled"
        stream = (bucket, name, rule.get("ID", "")) if metered else ()
        payload = {"bucket": bucket, "version": version, "rule": rule, "role": role}
        account, home = s3.get_account_id(), s3.bucket_region(bucket)
        self.queue.add(self.core.Write("s3", account, home, target, name, key, written, written, payload, stream))

    def find_pending(self) -> None:
        """Send on its way what was on its way when this process ended, oldest first."""
        s3, found = self.s3, []
        for (account, (bucket, key)), versions in s3._object_versions._data.items():
            current = s3._buckets._data.get((account, bucket), {}).get("objects", {}).get(key)
            for version in versions:
                status = version.get("replication_status")
                if status and current and current.get("version_id") == version["version_id"]:
                    current["replication_status"] = status  # MiniStack forgets it for the current version
                if status == "PENDING":
                    found.append((seconds(version["last_modified"]), account, bucket, key, version))
        for written, account, bucket, key, version in sorted(found, key=lambda each: each[0]):
            with self.request_scope(account, "us-east-1"):
                tags = s3._object_tags.get((bucket, key, version["version_id"]))
                marker = version.get("is_delete_marker")
                rule, role = self._marker_rule(bucket, key) if marker else s3._replication_rule_for(bucket, key, tags)
                if rule is not None:
                    self._send(bucket, key, version, rule, role, written)

    def arrive(self, write: Write) -> None:
        """Put a version into the bucket it was sent to, where its time places it, and mark the source."""
        s3, bucket, key = self.s3, write.payload["bucket"], write.key
        with self.request_scope(write.account, write.source):
            wanted = write.payload["version"].get("version_id")
            versions = s3._object_versions.get((bucket, key)) or []
            version = next((each for each in versions if each["version_id"] == wanted), None)
            if version is None:
                return  # it was removed meanwhile, or the whole bucket
            found = s3._replication_destination(bucket, key, write.payload["rule"], write.payload["role"])
            if found is not None:
                self._copy(bucket, key, version, found, (write.payload["rule"].get("Destination") or {}))
            self._mark(bucket, key, version, found)

    def _copy(self, bucket: str, key: str, version: dict[str, Any], found: Any, destination: dict[str, Any]) -> None:
        s3, (name, owner, target) = self.s3, found
        number, source = version["version_id"], s3._buckets[bucket]
        record, data = None, None
        if not version.get("is_delete_marker"):
            current = source["objects"].get(key) or {}
            same = current.get("version_id") == number
            record = copy.deepcopy(current) if same else s3._object_record_from_version(version)
            data = s3._version_body(source, bucket, key, version)
            record |= {"body": data, "replication_status": "REPLICA", "parts": version.get("parts")}
            record["storage_class"] = destination.get("StorageClass") or record.get("storage_class") or "STANDARD"
            record.pop("_replica", None)
        entry = s3._version_entry_from_record(record, number, data) if record else dict(version)
        entry |= {"replication_status": "REPLICA", "is_latest": False}
        stores = (s3._object_tags, s3._object_annotations)
        extras = [copy.deepcopy(store.get((bucket, key, number))) for store in stores]
        with s3._in_account(owner):
            for store, extra in zip(stores, extras, strict=True):
                if extra:
                    store[(name, key, number)] = extra
            self._place(name, target, key, entry, record, bucket)

    def _place(
        self, name: str, bucket: dict[str, Any], key: str, entry: dict[str, Any], record: Any, source: str
    ) -> None:
        """Put a version among those of its key by the time when it was written: the newest is the current one."""
        s3, current = self.s3, bucket["objects"].get(key)
        versions = s3._object_versions.setdefault((name, key), [])
        if any(each["version_id"] == entry["version_id"] for each in versions):
            return  # the process ended between the copy and the mark
        s3._preserve_null_version(name, key, versions, current)
        place = len(versions)
        while place and is_newer(versions[place - 1], entry, name, source):
            place -= 1
        if place == len(versions):
            s3._persist_displaced_version(name, key, current, "Enabled")
            for each in versions:
                each["is_latest"] = False
            entry["is_latest"] = True
            if record:
                bucket["objects"][key] = record
            else:
                bucket["objects"].pop(key, None)
        elif record:
            s3._persist_displaced_version(name, key, record, "Enabled")
        versions.insert(place, entry)
        s3._persist_version_state(name, key, bucket)

    def _mark(self, bucket: str, key: str, version: dict[str, Any], found: Any) -> None:
        s3, owner = self.s3, self.s3._buckets[bucket]
        version["replication_status"] = "COMPLETED" if found else "FAILED"
        current = owner["objects"].get(key)
        if current and current.get("version_id") == version["version_id"]:
            current["replication_status"] = version["replication_status"]
            if found:
                current["_replica"] = (found[0], version["version_id"], found[1])  # for annotations that come later
        s3._persist_version_state(bucket, key, owner)


def is_newer(there: dict[str, Any], coming: dict[str, Any], bucket: str, source: str) -> bool:
    """Tell whether a version is newer than one that comes from another bucket.

    Times have milliseconds. Two of the same are ordered by their buckets' names, so that both buckets agree; those of
    one bucket come in their order.
    """
    if there["last_modified"] != coming["last_modified"]:
        return bool(there["last_modified"] > coming["last_modified"])
    return there.get("replication_status") != "REPLICA" and bucket < source


def seconds(stamp: str) -> float:
    """Return a time of S3 in seconds since 1970."""
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
