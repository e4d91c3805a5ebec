"""How the exercises of the README are checked: views that the user makes in ``nova_shop``, against the layers below."""

from __future__ import annotations

from infra.exercises import Question


def _same(right: str, columns: str, relation: str) -> str:
    """Return a query for rows that only one of both sides has, in Snowflake's SQL."""
    mine, facts = f"select {columns} from {relation}", f"select {columns} from ({right})"
    return (
        f"select 'it lacks' as what, lacking.* from ({facts} except {mine}) as lacking"
        f" union all select 'it has' as what, more.* from ({mine} except {facts}) as more limit 1"
    )


_OPEN = "select id, total - paid as open_amount from nova_shop.orders where total <> paid"
_DELETED = (
    "select versions.source_table, versions.row_key from (select source_table, row_key from nova_core.versions"
    " group by source_table, row_key) as versions left join nova_core.current_rows as rows_now"
    " on versions.source_table = rows_now.source_table and versions.row_key = rows_now.row_key"
    " where rows_now.row_key is null"
)
_BIGGEST = "select id, max(total) as biggest from nova_history.orders group by id"
_BUSY = (
    "select tx, count(distinct source_table) as tables from nova_core.versions where kind = 'transaction' group by tx"
    " having count(distinct source_table) > 2"
)
EXERCISES: dict[int, list[Question]] = {
    1: [
        (
            "nova_shop.open_orders has each order that is not paid in full, and what is open",
            _same(_OPEN, "id, open_amount", "nova_shop.open_orders"),
            "{0} the row of {1}",
        )
    ],
    2: [
        (
            "nova_shop.gone has every row that once was and is no more",
            _same(_DELETED, "source_table, row_key", "nova_shop.gone"),
            "{0} the row of {1}",
        )
    ],
    3: [
        (
            "nova_shop.biggest has the largest total that each order ever had",
            _same(_BIGGEST, "id, biggest", "nova_shop.biggest"),
            "{0} the row of {1}",
        )
    ],
    4: [
        (
            "nova_shop.wide_transactions has each transaction over three tables or more",
            _same(_BUSY, "tx, tables", "nova_shop.wide_transactions"),
            "{0} the row of {1}",
        )
    ],
}
