"""Consumer groups: who reads which partition, and how far each group has come.

Offsets, and who has which partitions, are lines of journals, written before they are acknowledged: members go on after
a restart as if there had been none.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.broker.log import Refused, cut

GROUP_ID_MISSING, ILLEGAL_GENERATION, OTHER_PROTOCOL, UNKNOWN_MEMBER, WRONG_SESSION = 24, 22, 23, 25, 26
REBALANCING, MEMBER_ID_NEEDED, NOT_EMPTY, NOT_FOUND = 27, 79, 68, 69
FIRST_DELAY_S = 0.3
"""How long the first member of a group waits for others, in seconds."""
LEAST_SESSION_MS, MOST_SESSION_MS = 1_000, 1_800_000
LINES_KEPT = 10_000

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Offset:
    """How far a group has come in a partition."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""


class Journal:
    """A file of JSON lines that is appended to, and written again when most of its lines are out of date."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        whole = b""
        if path.exists():
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]  # a line that was cut off was never acknowledged
        self.old = [json.loads(line) for line in whole.splitlines()]
        self.lines = len(self.old)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        cut(self._file, len(whole), path)

    def add(self, entry: Any) -> None:
        """Append an entry.

        Raises
        ------
        OSError
            The disk is full; the file is as it was.
        """
        line = json.dumps(entry).encode() + b"\n"
        size = os.fstat(self._file).st_size
        if os.write(self._file, line) != len(line):
            os.ftruncate(self._file, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.lines += 1

    def replace(self, entries: Iterable[Any]) -> None:
        """Write the file again, with these entries alone."""
        lines = [json.dumps(each).encode() + b"\n" for each in entries]
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_bytes(b"".join(lines))
        fresh.replace(self.path)
        os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self.lines = len(lines)


class Offsets:
    """The offsets that groups have committed."""

    def __init__(self, path: Path) -> None:
        self.all: dict[Key, Offset] = {}
        self._journal = Journal(path)
        for group, topic, partition, *facts in self._journal.old:
            self._set((group, topic, partition), Offset(*facts) if facts else None)
        self._journal.old = []

    def commit(self, key: Key, offset: Offset | None) -> None:
        """Keep an offset, or forget it."""
        self._journal.add([*key, *([offset.offset, offset.leader_epoch, offset.metadata] if offset else [])])
        self._set(key, offset)
        if self._journal.lines > LINES_KEPT and self._journal.lines > 2 * len(self.all):
            kept = [[*each, one.offset, one.leader_epoch, one.metadata] for each, one in self.all.items()]
            self._journal.replace(kept)

    def forget(self, wanted: Callable[[Key], bool]) -> None:
        """Forget the offsets of a group, or of a topic."""
        for key in [each for each in self.all if wanted(each)]:
            self.commit(key, None)

    def groups(self) -> set[str]:
        """Return the groups that have offsets."""
        return {group for group, _, _ in self.all}

    def of_group(self, group: str) -> dict[tuple[str, int], Offset]:
        """Return all offsets of a group."""
        return {(topic, number): one for (name, topic, number), one in self.all.items() if name == group}

    def _set(self, key: Key, offset: Offset | None) -> None:
        if offset:
            self.all[key] = offset
        else:
            self.all.pop(key, None)


@dataclass
class Member:
    """A consumer in a group."""

    id: str
    client: str
    host: str
    session_s: float
    rebalance_s: float
    protocols: dict[str, bytes]
    instance: str | None = None
    seen: float = field(default_factory=time.monotonic)
    assignment: bytes = b""
    joining: asyncio.Future[dict[str, Any]] | None = None
    syncing: asyncio.Future[bytes] | None = None


class Group:
    """One group. Its states are Kafka's: Empty, PreparingRebalance, CompletingRebalance, Stable."""

    def __init__(self, name: str, keep: Callable[[Group], None]) -> None:
        self.name, self._keep = name, keep
        self.state = "Empty"
        self.kind = self.protocol = self.leader = ""
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.promised: dict[str, float] = {}  # ids handed out to members that are to join with them
        self._deadline = 0.0
        self._earliest = 0.0

    def entry(self) -> list[Any]:
        """Return what the journal keeps: the members as they are once all have their partitions."""
        members = [
            [
                each.id,
                each.client,
                each.host,
                each.session_s,
                each.rebalance_s,
                each.instance,
                {name: data.hex() for name, data in each.protocols.items()},
                each.assignment.hex(),
            ]
            for each in self.members.values()
        ]
        return [self.name, self.generation, self.kind, self.protocol, self.leader, members]

    def restore(self, entry: list[Any]) -> None:
        """Take the members back that a journal kept; those that are gone meanwhile are silent, and let go."""
        _, self.generation, self.kind, self.protocol, self.leader, members = entry
        self.state, self.members = ("Stable" if members else "Empty"), {}
        for id, client, host, session_s, rebalance_s, instance, protocols, assignment in members:
            known = {name: bytes.fromhex(data) for name, data in protocols.items()}
            member = Member(id, client, host, session_s, rebalance_s, known, instance)
            member.assignment = bytes.fromhex(assignment)
            self.members[id] = member

    async def join(self, request: dict[str, Any], version: int, client: str, host: str) -> dict[str, Any]:
        """Take a member in, and answer when the group is complete."""
        if not LEAST_SESSION_MS <= request["session"] <= MOST_SESSION_MS:
            raise Refused(WRONG_SESSION)
        protocols = {each["name"]: each["metadata"] for each in request["protocols"]}
        if not protocols:
            raise Refused(OTHER_PROTOCOL)
        if self.members and (self.kind != request["kind"] or not self._common(protocols)):
            raise Refused(OTHER_PROTOCOL)
        member = self._member(request, version, client, host, protocols)
        self.kind = request["kind"]
        unchanged = member.protocols == protocols and request["member"] and member.assignment
        if self.state == "Stable" and unchanged and member.id != self.leader:
            member.seen = time.monotonic()
            return self._joined(member)
        member.protocols = protocols
        joining: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        member.joining = joining
        self._prepare()
        self.tick()
        return await joining

    async def sync(self, request: dict[str, Any]) -> bytes:
        """Hand a member its partitions, once the leader has said whose they are."""
        member = self.check(request["member"], request["generation"])
        if self.state == "PreparingRebalance":
            raise Refused(REBALANCING)
        if self.state == "CompletingRebalance":
            if member.id == self.leader:
                self._assign({each["member"]: each["assignment"] for each in request["assignments"]})
            else:
                member.syncing = asyncio.get_running_loop().create_future()
                return await member.syncing
        return member.assignment

    def heartbeat(self, request: dict[str, Any]) -> None:
        """Note that a member lives; refuse while it has to join again."""
        self.check(request["member"], request["generation"])
        if self.state == "PreparingRebalance":
            raise Refused(REBALANCING)

    def leave(self, id: str) -> None:
        """Let a member go."""
        if self.members.pop(id, None) is None:
            raise Refused(UNKNOWN_MEMBER)
        self._changed()

    def check(self, id: str, generation: int) -> Member:
        """Return a member that is of this generation, or refuse."""
        member = self.members.get(id)
        if member is None:
            raise Refused(UNKNOWN_MEMBER)
        if generation != self.generation:
            raise Refused(ILLEGAL_GENERATION)
        member.seen = time.monotonic()
        return member

    def tick(self) -> None:
        """Let go of members that are silent, and finish a rebalance that is due."""
        now = time.monotonic()
        self.promised = {id: until for id, until in self.promised.items() if until > now}
        silent = [
            each
            for each in self.members.values()
            if each.joining is None and each.syncing is None and now - each.seen > each.session_s
        ]
        for each in silent:
            del self.members[each.id]
        if silent:
            self._changed()
        if self.state != "PreparingRebalance":
            return
        missing = [each for each in self.members.values() if each.joining is None]
        if (not missing and now >= self._earliest) or now >= self._deadline:
            for each in missing:
                del self.members[each.id]
            self._complete()

    def _member(
        self, request: dict[str, Any], version: int, client: str, host: str, protocols: dict[str, bytes]
    ) -> Member:
        id, instance = request["member"], request.get("instance")
        if not id and instance:  # a member that says who it is takes the place that it had
            before = next((each for each in self.members.values() if each.instance == instance), None)
            if before:
                del self.members[before.id]
            id = f"{instance}-{uuid.uuid4()}"
        elif not id:
            id = f"{client}-{uuid.uuid4()}"
            if version >= 4:
                self.promised[id] = time.monotonic() + request["session"] / 1000
                raise Refused(MEMBER_ID_NEEDED, id)
        elif id in self.members:
            member = self.members[id]
            if member.joining and not member.joining.done():
                member.joining.set_exception(Refused(UNKNOWN_MEMBER))  # the same member asks once more
            return member
        elif self.promised.pop(id, None) is None:
            raise Refused(UNKNOWN_MEMBER)
        rebalance_s = max(request["rebalance"], request["session"]) / 1000
        member = Member(id, client, host, request["session"] / 1000, rebalance_s, protocols, instance)
        self.members[id] = member
        return member

    def _common(self, protocols: dict[str, bytes]) -> set[str]:
        return set(protocols).intersection(*(each.protocols for each in self.members.values()))

    def _changed(self) -> None:
        if not self.members:
            self.state, self.generation, self.leader = "Empty", self.generation + 1, ""
            self._keep(self)
        else:
            self._prepare()
            self.tick()

    def _prepare(self) -> None:
        if self.state == "PreparingRebalance":
            return
        now = time.monotonic()
        self._earliest = now + FIRST_DELAY_S if self.state == "Empty" else now
        self._deadline = now + max(each.rebalance_s for each in self.members.values())
        self.state = "PreparingRebalance"
        for each in self.members.values():
            if each.syncing and not each.syncing.done():
                each.syncing.set_exception(Refused(REBALANCING))
            each.syncing = None

    def _complete(self) -> None:
        if not self.members:
            self.state = "Empty"
            return
        self.generation += 1
        self.state = "CompletingRebalance"
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        common = self._common(next(iter(self.members.values())).protocols)
        votes = [next(name for name in each.protocols if name in common) for each in self.members.values()]
        self.protocol = max(sorted(set(votes)), key=votes.count)
        for each in self.members.values():
            each.seen, each.assignment = time.monotonic(), b""
            if each.joining and not each.joining.done():
                each.joining.set_result(self._joined(each))
            each.joining = None

    def _joined(self, member: Member) -> dict[str, Any]:
        everybody = [
            {"member": each.id, "instance": each.instance, "metadata": each.protocols[self.protocol]}
            for each in self.members.values()
        ]
        return {
            "generation": self.generation,
            "protocol": self.protocol,
            "leader": self.leader,
            "member": member.id,
            "members": everybody if member.id == self.leader else [],
        }

    def _assign(self, shares: dict[str, bytes]) -> None:
        for each in self.members.values():
            each.assignment, each.seen = shares.get(each.id, b""), time.monotonic()
        self._keep(self)
        self.state = "Stable"  # not before it is written: the leader says it again when the disk refuses
        for each in self.members.values():
            if each.syncing and not each.syncing.done():
                each.syncing.set_result(each.assignment)
            each.syncing = None


class Groups:
    """All groups of a broker."""

    def __init__(self, folder: Path) -> None:
        self.offsets = Offsets(folder / "offsets.jsonl")
        self.all: dict[str, Group] = {}
        self._journal = Journal(folder / "members.jsonl")
        for entry in self._journal.old:
            self.get(entry[0]).restore(entry)
        self._journal.old = []

    def _keep(self, group: Group) -> None:
        self._journal.add(group.entry())
        if self._journal.lines > LINES_KEPT and self._journal.lines > 2 * len(self.all):
            self._journal.replace([each.entry() for each in self.all.values() if each.state == "Stable"])

    def get(self, name: str) -> Group:
        """Return a group, made when it is new."""
        if not name:
            raise Refused(GROUP_ID_MISSING)
        return self.all.setdefault(name, Group(name, self._keep))

    def names(self) -> list[str]:
        """Return the groups that have members or offsets."""
        return sorted({name for name, one in self.all.items() if one.members} | self.offsets.groups())

    def delete(self, name: str) -> None:
        """Delete a group that has no members."""
        if name not in self.names():
            raise Refused(NOT_FOUND)
        if name in self.all and self.all[name].members:
            raise Refused(NOT_EMPTY)
        self.offsets.forget(lambda key: key[0] == name)
        self.all.pop(name, None)

    def check_commit(self, name: str, generation: int, member: str) -> None:
        """Refuse a commit of somebody who is no member; one from outside may commit while there are none."""
        group = self.get(name)
        if generation < 0 and not member:
            if group.members:
                raise Refused(UNKNOWN_MEMBER)
            return
        group.check(member, generation)

    async def watch(self) -> None:
        """Let go of silent members, for as long as the broker runs."""
        while True:
            for group in list(self.all.values()):
                try:
                    group.tick()
                except Exception as error:  # one group must not end the broker
                    print(f"group {group.name}: {error!r}", flush=True)
            await asyncio.sleep(0.1)
