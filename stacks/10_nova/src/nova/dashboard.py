"""What the dashboard shows of the warehouse: how much changed, how late it was, and what the shop sold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from infra.dashboard import Chart, Dashboard, Figure

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
COUNTS = """
select v.source_table, count(*), count(distinct v.row_key), coalesce(max(r.n), 0)
from nova_core.versions as v
left join (select source_table, count(*) as n from nova_core.current_rows group by source_table) as r
    on v.source_table = r.source_table
group by v.source_table order by v.source_table
"""
MERGES = """
select to_timestamp_ntz(floor(merged_ms / 1000)), sum(changes), max(changes)
from nova_core.merges where kind = 'transactions' and changes > 0
group by floor(merged_ms / 1000) order by 1 desc limit 300
"""
SIZES = """
select changes_each, count(*) from (
    select tx, count(*) as changes_each from nova_core.versions where kind = 'transaction' group by tx
) as transactions group by changes_each order by changes_each limit 40
"""
VERSIONS = """
select source_table, least(n, 10), count(*) from (
    select source_table, row_key, count(*) as n from nova_core.versions group by source_table, row_key
) as counted group by source_table, least(n, 10) order by 1, 2
"""


def read(ask: Ask) -> Dashboard:
    """Ask the warehouse, and return what the page shows.

    Parameters
    ----------
    ask : callable
        Runs a query, and returns its rows.
    """
    counts = [dict(zip(("table", "versions", "keys", "rows"), row, strict=True)) for row in ask(COUNTS)]
    merges = [
        {"second": str(second), "changes": int(changes), "largest": int(most)} for second, changes, most in ask(MERGES)
    ]
    sizes = [{"changes": int(changes), "transactions": int(count)} for changes, count in ask(SIZES)]
    versions = [{"table": table, "versions": int(n), "rows": int(rows)} for table, n, rows in ask(VERSIONS)]
    totals = {name: sum(int(each[name]) for each in counts) for name in ("rows", "versions", "keys")}
    charts = [_now_and_ever(counts, totals), _throughput(merges), _sizes(sizes), _versions(versions)]
    figures = [
        Figure("rows now", totals["rows"]),
        Figure("versions ever", totals["versions"]),
        Figure("rows that are gone", totals["keys"] - totals["rows"]),
    ]
    lead = "Every change of the shop's database, as the warehouse has it."
    return Dashboard("A shop's changes", lead, charts, figures, {each["table"]: int(each["rows"]) for each in counts})


def _now_and_ever(counts: list[dict[str, Any]], totals: dict[str, int]) -> Chart:
    rows = [
        {"table": each["table"], "kind": kind, "count": int(each[name])}
        for each in counts
        for kind, name in (("rows now", "rows"), ("versions ever", "versions"))
    ]
    sentence = f"{totals['versions']:,} versions led to the {totals['rows']:,} rows that are there now."
    spec = {
        "mark": "bar",
        "encoding": {
            "y": {"field": "table", "type": "nominal", "title": None},
            "yOffset": {"field": "kind"},
            "x": {"field": "count", "type": "quantitative", "title": "rows"},
            "color": {"field": "kind", "type": "nominal", "title": None},
        },
    }
    return Chart("Rows now, and versions ever", sentence, rows, spec)


def _throughput(merges: list[dict[str, Any]]) -> Chart:
    most = max((each["changes"] for each in merges), default=0)
    spec = {
        "mark": "bar",
        "encoding": {
            "x": {"field": "second", "type": "temporal", "title": "merged at"},
            "y": {"field": "changes", "type": "quantitative", "title": "states of rows"},
        },
    }
    sentence = f"The busiest of the last {len(merges)} seconds with changes merged {most:,}."
    return Chart("Merged, second by second", sentence, merges, spec)


def _sizes(sizes: list[dict[str, Any]]) -> Chart:
    total = sum(each["transactions"] for each in sizes)
    spec = {
        "mark": "bar",
        "encoding": {
            "x": {"field": "changes", "type": "ordinal", "title": "rows in the transaction"},
            "y": {"field": "transactions", "type": "quantitative"},
        },
    }
    return Chart(
        "How large transactions are", f"{total:,} transactions, each of which became visible whole.", sizes, spec
    )


def _versions(versions: list[dict[str, Any]]) -> Chart:
    often = sum(each["rows"] for each in versions if each["versions"] >= 10)
    spec = {
        "mark": "bar",
        "encoding": {
            "x": {"field": "versions", "type": "ordinal", "title": "versions of a row (10: ten or more)"},
            "y": {"field": "rows", "type": "quantitative"},
            "color": {"field": "table", "type": "nominal", "title": None},
        },
    }
    return Chart("How often rows change", f"{often:,} rows have had ten versions or more.", versions, spec)
