"""The sum that every load must satisfy: read = loaded + updated + duplicate + quarantined."""

from __future__ import annotations

from dataclasses import asdict, dataclass


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
