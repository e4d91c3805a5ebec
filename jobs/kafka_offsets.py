"""Offsets of topics in the form of Spark's Kafka source, ``{"topic": {"0": 23}}``: the next to read of each partition.

Needs nothing. `jobs.spark_kafka_source` plans its micro-batches with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Offsets = dict[str, dict[str, int]]
Place = tuple[str, str]
"""A topic, and a partition's number as text."""

FIRST = "(first)"
"""Beside the topics of the first batch's offset: where it began. No topic can have this name."""
LATEST, EARLIEST = -1, -2


def admit(begin: Offsets, end: Offsets, limit: int) -> Offsets:
    """Return how far a batch goes: the ends, or where a limit is reached, shared out by what is waiting.

    Parameters
    ----------
    begin, end : dict
        Where the batch begins, and what there is. A partition that is only at the end is new, and begins at 0.
    limit : int
        How many offsets at most; 0 for all. Each partition that has something waiting gets at least one.

    Examples
    --------
    >>> admit({"t": {"0": 0, "1": 0, "2": 5}}, {"t": {"0": 900, "1": 90, "2": 5}}, 100)
    {'t': {'0': 91, '1': 9, '2': 5}}
    """
    begins = dict(flat(begin))
    waiting = {place: until - begins.get(place, 0) for place, until in flat(end)}
    total = sum(waiting.values())
    if not limit or total <= limit:
        return end
    shares = {place: max(1, size * limit // total) if size else 0 for place, size in waiting.items()}
    spare = limit - sum(shares.values())
    for place in sorted(waiting, key=lambda each: -waiting[each]):  # what rounding left, or took too much of
        change = min(spare, waiting[place] - shares[place]) if spare > 0 else max(spare, 1 - shares[place])
        if shares[place] and change:
            shares[place] += change
            spare -= change
    return nested({place: begins.get(place, 0) + share for place, share in shares.items()})


def without_first(offset: Mapping[str, Any]) -> Offsets:
    """Return an offset's topics."""
    return {topic: parts for topic, parts in offset.items() if topic != FIRST}


def flat(offsets: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[Place, int]]:
    """Go through offsets partition by partition."""
    for topic, parts in offsets.items():
        for partition, offset in parts.items():
            yield (topic, partition), offset


def nested(offsets: Mapping[Place, int]) -> Offsets:
    """Return offsets by topic and partition; the other way round than `flat`."""
    found: Offsets = {}
    for (topic, partition), offset in offsets.items():
        found.setdefault(topic, {})[partition] = offset
    return found
