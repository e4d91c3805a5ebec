"""The sum that every load must satisfy: read = loaded + updated + duplicate + quarantined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


class Imbalance(AssertionError):
    """Counts that do not add up: a bug, never bad input. The load is rolled back."""


@dataclass(frozen=True)
class Balance:
    """Where each record of a file went.

    Parameters
    ----------
    read : int
        Records read, the header and blank lines not among them.
    loaded : int
        Records that became new rows.
    updated : int
        Records that changed an existing row.
    duplicate : int
        Records that changed nothing: the table already says so, or a later record of the same file says it
        again.
    quarantined : int
        Records kept aside, each with a line number and a reason.
    """

    read: int = 0
    loaded: int = 0
    updated: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def __post_init__(self) -> None:
        """Refuse to exist when the counts do not add up."""
        counts = asdict(self)
        if min(counts.values()) < 0 or self.read != self.loaded + self.updated + self.duplicate + self.quarantined:
            raise Imbalance(f"read must equal loaded + updated + duplicate + quarantined: {counts}")

    def __add__(self, other: Balance) -> Balance:
        """Return the balance of both."""
        mine, theirs = asdict(self), asdict(other)
        return Balance(**{name: mine[name] + theirs[name] for name in mine})

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, in the order in which they are read."""
        return asdict(self)


def format_balance(result: Mapping[str, Any]) -> str:
    """Return the balance of a load in a few lines for people.

    Parameters
    ----------
    result : mapping
        Whatever has the five counts: a result of `jobs.load.load` as a mapping, or a record of the ledger.
    """
    status = result.get("status", "loaded")
    if status.endswith("rejected"):
        lines = [f"refused as a whole: {result['error_code']}: {result['error']}"]
    else:
        parts = [f"{result[name]:,} {name}" for name in ("loaded", "updated", "duplicate", "quarantined")]
        lines = [f"{result['read']:,} read = " + " + ".join(parts)]
    if status.startswith("already_"):
        lines.insert(0, "Nothing to do: this content was delivered before. What it came to then:")
    for reason, count in sorted(result.get("reasons", {}).items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"  {count:>9,}  {reason}")
    if result.get("quarantine_key"):
        lines.append(f"  in quarantine: {result['quarantine_key']}")
    return "\n".join(lines)
