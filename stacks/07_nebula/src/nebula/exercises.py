"""How each exercise of the README is checked: queries of the warehouse that find nothing when it is solved."""

from __future__ import annotations

from infra.exercises import Question, same

SEGMENTS = """
SELECT segment, sum(was) AS as_was, sum(now_is) AS as_is FROM (
    SELECT c.segment, s.amount AS was, 0 AS now_is
    FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_customer c USING (customer_key) WHERE customer_key <> -1
    UNION ALL
    SELECT c.current_segment, 0, s.amount
    FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_customer c USING (customer_key) WHERE customer_key <> -1
) AS both_ways GROUP BY segment
"""
MONTH_ENDS = """
SELECT months.month_end, c.segment, count(*) AS customers
FROM (
    SELECT DISTINCT (date_trunc('month', ordered_at) + interval '1 month')::date AS month_end
    FROM nebula_marts.fact_sales
) AS months
JOIN nebula_marts.dim_customer c ON months.month_end > c.valid_from AND months.month_end <= c.valid_to
WHERE c.customer_key <> -1 AND NOT c.is_deleted
GROUP BY 1, 2
"""
STOCK = """
SELECT f.warehouse, f.date_key, sum(f.on_hand) AS on_hand
FROM nebula_marts.fact_inventory_daily f
WHERE f.date_key IN (SELECT max(date_key) FROM nebula_marts.fact_inventory_daily GROUP BY date_key / 100)
GROUP BY 1, 2
"""

EXERCISES: dict[int, list[Question]] = {
    1: [
        (
            "nebula_marts.revenue_by_segment says what the facts say",
            same(
                SEGMENTS,
                "segment::text, as_was::numeric(18, 2), as_is::numeric(18, 2)",
                "nebula_marts.revenue_by_segment",
            ),
            "{0} the row {1}",
        ),
        (
            "both ways add up to the same",
            "SELECT sum(as_was), sum(as_is) FROM nebula_marts.revenue_by_segment HAVING sum(as_was) <> sum(as_is)",
            "as_was adds up to {0}, as_is to {1}",
        ),
    ],
    2: [
        (
            "nebula_marts.customers_at_month_end counts the versions of that moment",
            same(
                MONTH_ENDS,
                "month_end::date, segment::text, customers::bigint",
                "nebula_marts.customers_at_month_end",
            ),
            "{0} the row {1}",
        ),
    ],
    3: [
        (
            "nebula_marts.stock_at_month_end adds up over products, not over days",
            same(STOCK, "warehouse::text, date_key::integer, on_hand::bigint", "nebula_marts.stock_at_month_end"),
            "{0} the row {1}",
        ),
    ],
}
