"""What the histories must be, in plain Python: from all records at once, whatever order they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

BEGINNING, FOREVER = "1900-01-01 00:00:00", "9999-12-31 00:00:00"


def by_moment(changes: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the change that counts for each moment, in order."""
    return {change["at"]: change for change in sorted(changes, key=lambda change: (change["at"], change["number"]))}


def versions(
    changes: Iterable[Mapping[str, Any]], seen: Iterable[tuple[str, str | None]], columns: list[str], observed: str
) -> list[dict[str, Any]]:
    """Return a member's versions in order.

    `changes` have ``at``, ``number``, ``deleted`` and columns; `seen` are moments with what was observed there.
    """
    known = by_moment(changes)
    first = min(known, default=FOREVER)
    moments: dict[str, dict[str, Any]] = {}
    told = {at: max(value for moment, value in seen if moment == at and value) for at, value in seen if value}
    told = {at: value for at, value in sorted(told.items()) if at < first}
    for at, value in told.items() or [(BEGINNING, "unknown")]:
        image = dict.fromkeys(columns, "unknown") | {observed: value}
        moments[at if moments else BEGINNING] = image | {"inferred": True, "deleted": False}
    image = dict.fromkeys(columns, "unknown")
    for at, change in known.items():
        image = image if change["deleted"] else {name: change[name] for name in columns}
        moments[at] = image | {"inferred": False, "deleted": change["deleted"]}
    kept: list[dict[str, Any]] = []
    for at, values in sorted(moments.items()):
        if not kept or values != {name: kept[-1][name] for name in values}:
            kept.append(values | {"from": at, "to": FOREVER})
        if len(kept) > 1:
            kept[-2]["to"] = kept[-1]["from"]
    return kept


def last_image(changes: Iterable[Mapping[str, Any]], column: str) -> str:
    """Return a type 1 column: what the last change that was no deletion says."""
    images = [change[column] for change in by_moment(changes).values() if not change["deleted"]]
    return str(images[-1]) if images else "unknown"


def key_of(text: str) -> int:
    """Return the key that the warehouse must have given to a text."""
    return int(hashlib.md5(text.encode()).hexdigest()[:15], 16)
