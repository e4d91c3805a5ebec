"""How long something has waited for its merge: the alarm's only eye where Snowflake's own task merges."""

from __future__ import annotations

import time

from nova import metrics, warehouse
from nova.warehouse import Warehouse

OLDEST = """
select min(waits.since_ms)
from (
    -- Landed, and no run has looked at it.
    select messages.produced_ms as since_ms
    from nova_landing.messages as messages
    cross join nova_core.progress as progress
    where messages.batch > progress.batch
    union all
    -- Its end is known, and something of it or before it is missing.
    select coalesce(transactions.ended_ms, transactions.seen_ms)
    from nova_core.transactions as transactions
    cross join nova_core.progress as progress
    where transactions.position > coalesce(progress.position, -1)
    union all
    -- Its end never came, or is a dead letter.
    select changes.source_ms from nova_core.changes as changes
) as waits
"""


def waits_ms(store: Warehouse, now_ms: float | None = None) -> float:
    """Return how old the oldest is that is landed and not merged, in milliseconds; 0 when there is none.

    Parameters
    ----------
    store : Warehouse
    now_ms : float, optional
        What time it is, in milliseconds since 1970; by default, this machine's.
    """
    oldest = store.number(OLDEST)
    now = time.time() * 1000 if now_ms is None else now_ms
    return 0.0 if oldest is None else max(0.0, now - oldest)


def main() -> int:
    """Measure it once; return the exit code."""
    with warehouse.opened() as store:
        metrics.emit(nova_merge_lag=waits_ms(store))
    return 0
