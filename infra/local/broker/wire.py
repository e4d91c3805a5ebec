"""Kafka's messages as dictionaries: a table of fields for each request and answer, and a codec that reads the table.

A field is ``(name, type)`` or ``(name, type, since)`` or ``(name, type, since, until)`` with versions. Types are ``i8``
to ``i64``, ``bool``, ``str``, ``bytes``, the last two with ``?`` where they may be null, and lists for arrays:
``["str"]`` of one type, or a list of fields; an array whose name ends with ``?`` may be null. Kafka's own description:
https://kafka.apache.org/protocol
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NUMBERS = {each: struct.Struct(f">{code}") for each, code in (("i8", "b"), ("i16", "h"), ("i32", "i"), ("i64", "q"))}
Fields = Sequence[tuple[Any, ...]]
LATEST = 99


@dataclass(frozen=True)
class Api:
    """One kind of request: its versions, the first flexible one, and the fields of request and answer."""

    name: str
    oldest: int
    newest: int
    flexible: int
    request: Fields
    answer: Fields


def _commit(*more: tuple[Any, ...]) -> list[Any]:
    return [("name", "str"), ("partitions", [("index", "i32"), ("offset", "i64"), *more, ("metadata", "str?")])]


ERRORS_BY_PARTITION = [("name", "str"), ("partitions", [("index", "i32"), ("error", "i16")])]
THROTTLE = ("throttle", "i32")
RESOURCE_ERRORS = [("error", "i16"), ("message", "str?"), ("type", "i8"), ("name", "str")]

APIS: dict[int, Api] = {
    0: Api(
        "produce",
        3,
        8,
        9,
        [
            ("transactional_id", "str?"),
            ("acks", "i16"),
            ("timeout", "i32"),
            ("topics", [("name", "str"), ("partitions", [("index", "i32"), ("records", "bytes?")])]),
        ],
        [
            (
                "topics",
                [
                    ("name", "str"),
                    (
                        "partitions",
                        [
                            ("index", "i32"),
                            ("error", "i16"),
                            ("base_offset", "i64"),
                            ("append_time", "i64"),
                            ("log_start", "i64", 5),
                            ("record_errors", [("index", "i32"), ("message", "str?")], 8),
                            ("message", "str?", 8),
                        ],
                    ),
                ],
            ),
            THROTTLE,
        ],
    ),
    1: Api(
        "fetch",
        4,
        11,
        12,
        [
            ("replica", "i32"),
            ("max_wait", "i32"),
            ("min_bytes", "i32"),
            ("max_bytes", "i32"),
            ("isolation", "i8"),
            ("session", "i32", 7),
            ("session_epoch", "i32", 7),
            (
                "topics",
                [
                    ("name", "str"),
                    (
                        "partitions",
                        [
                            ("index", "i32"),
                            ("leader_epoch", "i32", 9),
                            ("offset", "i64"),
                            ("log_start", "i64", 5),
                            ("max_bytes", "i32"),
                        ],
                    ),
                ],
            ),
            ("forgotten", [("name", "str"), ("partitions", ["i32"])], 7),
            ("rack", "str", 11),
        ],
        [
            THROTTLE,
            ("error", "i16", 7),
            ("session", "i32", 7),
            (
                "topics",
                [
                    ("name", "str"),
                    (
                        "partitions",
                        [
                            ("index", "i32"),
                            ("error", "i16"),
                            ("high_watermark", "i64"),
                            ("stable", "i64"),
                            ("log_start", "i64", 5),
                            ("aborted?", [("producer", "i64"), ("first", "i64")]),
                            ("preferred", "i32", 11),
                            ("records", "bytes?"),
                        ],
                    ),
                ],
            ),
        ],
    ),
    2: Api(
        "list_offsets",
        1,
        5,
        6,
        [
            ("replica", "i32"),
            ("isolation", "i8", 2),
            (
                "topics",
                [
                    ("name", "str"),
                    ("partitions", [("index", "i32"), ("leader_epoch", "i32", 4), ("timestamp", "i64")]),
                ],
            ),
        ],
        [
            ("throttle", "i32", 2),
            (
                "topics",
                [
                    ("name", "str"),
                    (
                        "partitions",
                        [
                            ("index", "i32"),
                            ("error", "i16"),
                            ("timestamp", "i64"),
                            ("offset", "i64"),
                            ("leader_epoch", "i32", 4),
                        ],
                    ),
                ],
            ),
        ],
    ),
    3: Api(
        "metadata",
        0,
        8,
        9,
        [
            ("topics?", ["str"]),
            ("create", "bool", 4),
            ("cluster_operations", "bool", 8),
            ("topic_operations", "bool", 8),
        ],
        [
            ("throttle", "i32", 3),
            ("brokers", [("node", "i32"), ("host", "str"), ("port", "i32"), ("rack", "str?", 1)]),
            ("cluster", "str?", 2),
            ("controller", "i32", 1),
            (
                "topics",
                [
                    ("error", "i16"),
                    ("name", "str"),
                    ("internal", "bool", 1),
                    (
                        "partitions",
                        [
                            ("error", "i16"),
                            ("index", "i32"),
                            ("leader", "i32"),
                            ("leader_epoch", "i32", 7),
                            ("replicas", ["i32"]),
                            ("isr", ["i32"]),
                            ("offline", ["i32"], 5),
                        ],
                    ),
                    ("operations", "i32", 8),
                ],
            ),
            ("operations", "i32", 8),
        ],
    ),
    8: Api(
        "offset_commit",
        2,
        7,
        8,
        [
            ("group", "str"),
            ("generation", "i32"),
            ("member", "str"),
            ("instance", "str?", 7),
            ("retention", "i64", 2, 4),
            ("topics", _commit(("leader_epoch", "i32", 6))),
        ],
        [("throttle", "i32", 3), ("topics", ERRORS_BY_PARTITION)],
    ),
    9: Api(
        "offset_fetch",
        1,
        7,
        6,
        [("group", "str"), ("topics?", [("name", "str"), ("partitions", ["i32"])]), ("stable", "bool", 7)],
        [
            ("throttle", "i32", 3),
            (
                "topics",
                [
                    ("name", "str"),
                    (
                        "partitions",
                        [
                            ("index", "i32"),
                            ("offset", "i64"),
                            ("leader_epoch", "i32", 5),
                            ("metadata", "str?"),
                            ("error", "i16"),
                        ],
                    ),
                ],
            ),
            ("error", "i16", 2),
        ],
    ),
    10: Api(
        "find_coordinator",
        0,
        2,
        3,
        [("key", "str"), ("kind", "i8", 1)],
        [
            ("throttle", "i32", 1),
            ("error", "i16"),
            ("message", "str?", 1),
            ("node", "i32"),
            ("host", "str"),
            ("port", "i32"),
        ],
    ),
    11: Api(
        "join_group",
        2,
        5,
        6,
        [
            ("group", "str"),
            ("session", "i32"),
            ("rebalance", "i32"),
            ("member", "str"),
            ("instance", "str?", 5),
            ("kind", "str"),
            ("protocols", [("name", "str"), ("metadata", "bytes")]),
        ],
        [
            THROTTLE,
            ("error", "i16"),
            ("generation", "i32"),
            ("protocol", "str"),
            ("leader", "str"),
            ("member", "str"),
            ("members", [("member", "str"), ("instance", "str?", 5), ("metadata", "bytes")]),
        ],
    ),
    12: Api(
        "heartbeat",
        0,
        3,
        4,
        [("group", "str"), ("generation", "i32"), ("member", "str"), ("instance", "str?", 3)],
        [("throttle", "i32", 1), ("error", "i16")],
    ),
    13: Api(
        "leave_group",
        0,
        3,
        4,
        [("group", "str"), ("member", "str", 0, 2), ("members", [("member", "str"), ("instance", "str?")], 3)],
        [
            ("throttle", "i32", 1),
            ("error", "i16"),
            ("members", [("member", "str"), ("instance", "str?"), ("error", "i16")], 3),
        ],
    ),
    14: Api(
        "sync_group",
        0,
        3,
        4,
        [
            ("group", "str"),
            ("generation", "i32"),
            ("member", "str"),
            ("instance", "str?", 3),
            ("assignments", [("member", "str"), ("assignment", "bytes")]),
        ],
        [("throttle", "i32", 1), ("error", "i16"), ("assignment", "bytes")],
    ),
    15: Api(
        "describe_groups",
        0,
        4,
        5,
        [("groups", ["str"]), ("operations", "bool", 3)],
        [
            ("throttle", "i32", 1),
            (
                "groups",
                [
                    ("error", "i16"),
                    ("group", "str"),
                    ("state", "str"),
                    ("kind", "str"),
                    ("protocol", "str"),
                    (
                        "members",
                        [
                            ("member", "str"),
                            ("instance", "str?", 4),
                            ("client", "str"),
                            ("host", "str"),
                            ("metadata", "bytes"),
                            ("assignment", "bytes"),
                        ],
                    ),
                    ("operations", "i32", 3),
                ],
            ),
        ],
    ),
    16: Api(
        "list_groups",
        0,
        2,
        3,
        [],
        [("throttle", "i32", 1), ("error", "i16"), ("groups", [("group", "str"), ("kind", "str")])],
    ),
    18: Api(
        "api_versions",
        0,
        3,
        3,
        [("client", "str", 3), ("version", "str", 3)],
        [
            ("error", "i16"),
            ("apis", [("key", "i16"), ("oldest", "i16"), ("newest", "i16")]),
            ("throttle", "i32", 1),
        ],
    ),
    19: Api(
        "create_topics",
        2,
        4,
        5,
        [
            (
                "topics",
                [
                    ("name", "str"),
                    ("partitions", "i32"),
                    ("replication", "i16"),
                    ("assignments", [("index", "i32"), ("brokers", ["i32"])]),
                    ("settings", [("name", "str"), ("value", "str?")]),
                ],
            ),
            ("timeout", "i32"),
            ("validate", "bool"),
        ],
        [THROTTLE, ("topics", [("name", "str"), ("error", "i16"), ("message", "str?")])],
    ),
    20: Api(
        "delete_topics",
        1,
        3,
        4,
        [("topics", ["str"]), ("timeout", "i32")],
        [THROTTLE, ("topics", [("name", "str"), ("error", "i16")])],
    ),
    21: Api(
        "delete_records",
        0,
        1,
        2,
        [
            ("topics", [("name", "str"), ("partitions", [("index", "i32"), ("offset", "i64")])]),
            ("timeout", "i32"),
        ],
        [
            THROTTLE,
            ("topics", [("name", "str"), ("partitions", [("index", "i32"), ("low", "i64"), ("error", "i16")])]),
        ],
    ),
    22: Api(
        "init_producer",
        0,
        1,
        2,
        [("transactional_id", "str?"), ("timeout", "i32")],
        [THROTTLE, ("error", "i16"), ("producer", "i64"), ("epoch", "i16")],
    ),
    24: Api(
        "add_partitions",
        0,
        2,
        3,
        [
            ("transactional_id", "str"),
            ("producer", "i64"),
            ("epoch", "i16"),
            ("topics", [("name", "str"), ("partitions", ["i32"])]),
        ],
        [THROTTLE, ("topics", ERRORS_BY_PARTITION)],
    ),
    25: Api(
        "add_offsets",
        0,
        2,
        3,
        [("transactional_id", "str"), ("producer", "i64"), ("epoch", "i16"), ("group", "str")],
        [THROTTLE, ("error", "i16")],
    ),
    26: Api(
        "end_transaction",
        0,
        2,
        3,
        [("transactional_id", "str"), ("producer", "i64"), ("epoch", "i16"), ("commit", "bool")],
        [THROTTLE, ("error", "i16")],
    ),
    28: Api(
        "transaction_offsets",
        0,
        3,
        3,
        [
            ("transactional_id", "str"),
            ("group", "str"),
            ("producer", "i64"),
            ("epoch", "i16"),
            ("generation", "i32", 3),
            ("member", "str", 3),
            ("instance", "str?", 3),
            ("topics", _commit(("leader_epoch", "i32", 2))),
        ],
        [THROTTLE, ("topics", ERRORS_BY_PARTITION)],
    ),
    32: Api(
        "describe_configs",
        1,
        3,
        4,
        [
            ("resources", [("type", "i8"), ("name", "str"), ("keys?", ["str"])]),
            ("synonyms", "bool"),
            ("documentation", "bool", 3),
        ],
        [
            THROTTLE,
            (
                "resources",
                [
                    *RESOURCE_ERRORS,
                    (
                        "settings",
                        [
                            ("name", "str"),
                            ("value", "str?"),
                            ("read_only", "bool"),
                            ("source", "i8"),
                            ("sensitive", "bool"),
                            ("synonyms", [("name", "str"), ("value", "str?"), ("source", "i8")]),
                            ("type", "i8", 3),
                            ("documentation", "str?", 3),
                        ],
                    ),
                ],
            ),
        ],
    ),
    33: Api(
        "alter_configs",
        0,
        1,
        2,
        [
            (
                "resources",
                [("type", "i8"), ("name", "str"), ("settings", [("name", "str"), ("value", "str?")])],
            ),
            ("validate", "bool"),
        ],
        [THROTTLE, ("resources", RESOURCE_ERRORS)],
    ),
    37: Api(
        "create_partitions",
        0,
        1,
        2,
        [
            ("topics", [("name", "str"), ("count", "i32"), ("assignments?", [("brokers", ["i32"])])]),
            ("timeout", "i32"),
            ("validate", "bool"),
        ],
        [THROTTLE, ("topics", [("name", "str"), ("error", "i16"), ("message", "str?")])],
    ),
    42: Api(
        "delete_groups",
        0,
        1,
        2,
        [("groups", ["str"])],
        [THROTTLE, ("groups", [("group", "str"), ("error", "i16")])],
    ),
    44: Api(
        "change_configs",
        0,
        0,
        1,
        [
            (
                "resources",
                [
                    ("type", "i8"),
                    ("name", "str"),
                    ("settings", [("name", "str"), ("operation", "i8"), ("value", "str?")]),
                ],
            ),
            ("validate", "bool"),
        ],
        [THROTTLE, ("resources", RESOURCE_ERRORS)],
    ),
    60: Api(
        "describe_cluster",
        0,
        0,
        0,
        [("operations", "bool")],
        [
            THROTTLE,
            ("error", "i16"),
            ("message", "str?"),
            ("cluster", "str"),
            ("controller", "i32"),
            ("brokers", [("node", "i32"), ("host", "str"), ("port", "i32"), ("rack", "str?")]),
            ("operations", "i32"),
        ],
    ),
}


class Malformed(Exception):
    """Bytes that are not what the table says."""


class Reader:
    """Takes values off the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, kind: str) -> int:
        """Take a number of fixed size."""
        form = NUMBERS[kind]
        if self.at + form.size > len(self.data):
            raise Malformed("it ends too early")
        (value,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return int(value)

    def varint(self) -> int:
        """Take an unsigned number of variable size."""
        value = shift = 0
        while True:
            byte = self.number("i8") & 0xFF
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 35:
                raise Malformed("a number without an end")

    def take(self, size: int) -> bytes:
        """Take so many bytes."""
        if size < 0 or self.at + size > len(self.data):
            raise Malformed("it ends too early")
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece

    def length(self, kind: str, flexible: bool) -> int:
        """Take the length of text, bytes or an array; -1 is null."""
        if flexible:
            return self.varint() - 1
        return self.number(kind)

    def skip_tags(self) -> None:
        """Pass over tagged fields, of which we need none."""
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())


def decode(reader: Reader, fields: Fields, version: int, flexible: bool) -> dict[str, Any]:
    """Return the fields of one structure that belong to a version."""
    found = {}
    for name, kind, *versions in fields:
        if _is_of(versions, version):
            found[name.rstrip("?")] = _decode(reader, kind, version, flexible)
    if flexible:
        reader.skip_tags()
    return found


def _decode(reader: Reader, kind: Any, version: int, flexible: bool) -> Any:
    if isinstance(kind, list):
        count = reader.length("i32", flexible)
        if count > len(reader.data):
            raise Malformed("an array longer than its message")
        if count < 0:
            return None
        if isinstance(kind[0], str):
            return [_decode(reader, kind[0], version, flexible) for _ in range(count)]
        return [decode(reader, kind, version, flexible) for _ in range(count)]
    if kind == "bool":
        return reader.number("i8") != 0
    if kind in NUMBERS:
        return reader.number(kind)
    size = reader.length("i16" if kind.startswith("str") else "i32", flexible)
    if size < 0:
        return None
    data = reader.take(size)
    return data.decode(errors="replace") if kind.startswith("str") else data


def encode(fields: Fields, values: dict[str, Any], version: int, flexible: bool) -> bytes:
    """Return the bytes of one structure; a field that isn't given is 0, false, empty or null."""
    parts: list[bytes] = []
    _encode_fields(parts, fields, values, version, flexible)
    return b"".join(parts)


def _encode_fields(parts: list[bytes], fields: Fields, values: dict[str, Any], version: int, flexible: bool) -> None:
    for name, kind, *versions in fields:
        if _is_of(versions, version):
            nullable = name.endswith("?")
            _encode(parts, kind, values.get(name.rstrip("?")), version, flexible, nullable)
    if flexible:
        parts.append(b"\0")


def _encode(parts: list[bytes], kind: Any, value: Any, version: int, flexible: bool, nullable: bool) -> None:
    if isinstance(kind, list):
        if value is None:
            value = None if nullable else []
        _length(parts, -1 if value is None else len(value), "i32", flexible)
        for each in value or ():
            if isinstance(kind[0], str):
                _encode(parts, kind[0], each, version, flexible, False)
            else:
                _encode_fields(parts, kind, each, version, flexible)
    elif kind == "bool":
        parts.append(b"\1" if value else b"\0")
    elif kind in NUMBERS:
        parts.append(NUMBERS[kind].pack(value or 0))
    else:
        if value is None and not kind.endswith("?"):
            value = "" if kind.startswith("str") else b""
        data = value.encode() if isinstance(value, str) else value
        _length(parts, -1 if data is None else len(data), "i16" if kind.startswith("str") else "i32", flexible)
        if data:
            parts.append(data)


def _length(parts: list[bytes], size: int, kind: str, flexible: bool) -> None:
    if not flexible:
        parts.append(NUMBERS[kind].pack(size))
        return
    size += 1
    while size >= 0x80:
        parts.append(bytes([size & 0x7F | 0x80]))
        size >>= 7
    parts.append(bytes([size]))


def _is_of(versions: list[int], version: int) -> bool:
    since, until = [*versions, 0, LATEST][:2] if len(versions) != 1 else (versions[0], LATEST)
    return since <= version <= until
