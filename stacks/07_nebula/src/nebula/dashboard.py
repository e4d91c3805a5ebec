"""What 07_nebula's dashboard shows: the same facts under the dimensions as they were, and as they are today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from infra.dashboard import Chart, Dashboard, Figure

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
Rows = list[dict[str, Any]]

DAYS_OF_A_QUARTER = 92
"""Sales of more days are shown by month, else by day."""

# A year back from the last sale: what lies before is another year's dashboard.
SPAN = """
SELECT min(ordered_at)::date, max(ordered_at)::date FROM nebula_marts.fact_sales
WHERE ordered_at > (SELECT max(ordered_at) - interval '1 year' FROM nebula_marts.fact_sales)
"""
# A chart has room for few colours: the six categories that sold most, and the others together.
REVENUE = """
WITH places AS (
    SELECT category, rank() OVER (ORDER BY sum(s.amount) DESC, category) AS place
    FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_product p USING (product_key) GROUP BY category
)
SELECT to_char(date_trunc('{unit}', s.ordered_at), 'YYYY-MM-DD') AS day,
    CASE WHEN place <= 6 THEN category ELSE 'all others' END AS category, sum(s.amount)
FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_product p USING (product_key) JOIN places USING (category)
WHERE s.ordered_at >= date '{first}'
GROUP BY 1, 2 ORDER BY 1, 2
"""
CATEGORIES = """
SELECT category, way, sum(amount) FROM (
    SELECT p.category, 'as it was' AS way, s.amount
    FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_product p USING (product_key)
    UNION ALL
    SELECT p.current_category, 'as it is', s.amount
    FROM nebula_marts.fact_sales s JOIN nebula_marts.dim_product p USING (product_key)
) AS both_ways GROUP BY 1, 2 ORDER BY 1, 2 DESC
"""
FULFILMENT = """
SELECT step, count(hours),
    round((percentile_cont(0.25) WITHIN GROUP (ORDER BY hours))::numeric, 1),
    round((percentile_cont(0.5) WITHIN GROUP (ORDER BY hours))::numeric, 1),
    round((percentile_cont(0.75) WITHIN GROUP (ORDER BY hours))::numeric, 1)
FROM nebula_marts.fact_order_fulfilment
CROSS JOIN LATERAL (VALUES
    ('1 paid', hours_to_pay), ('2 shipped', hours_to_ship), ('3 delivered', hours_to_deliver)
) AS steps (step, hours)
WHERE hours IS NOT NULL GROUP BY 1 ORDER BY 1
"""
STOCK = """
SELECT to_char(d.full_date, 'YYYY-MM-DD'), f.warehouse, sum(f.on_hand)
FROM nebula_marts.fact_inventory_daily f JOIN nebula_marts.dim_date d USING (date_key)
WHERE date_key IN (
    SELECT max(date_key) FROM nebula_marts.fact_inventory_daily JOIN nebula_marts.dim_date USING (date_key)
    WHERE full_date >= date '{first}' GROUP BY date_trunc('{unit}', full_date)
)
GROUP BY 1, 2 ORDER BY 1, 2
"""
SEGMENTS = """
SELECT to_char(moment, 'YYYY-MM-DD'), c.segment, count(*)
FROM generate_series(date_trunc('{unit}', timestamp '{first}'), timestamp '{last}', interval '1 {unit}') AS moment
JOIN nebula_marts.dim_customer c ON moment >= c.valid_from AND moment < c.valid_to
WHERE c.customer_key <> -1 AND NOT c.is_deleted
GROUP BY 1, 2 ORDER BY 1, 2
"""
TOTALS = """
SELECT lines, coalesce(revenue, 0), c.versions, c.members, p.versions, p.members
FROM (SELECT count(*) AS lines, sum(amount) AS revenue FROM nebula_marts.fact_sales) AS s,
    (SELECT count(*) AS versions, count(DISTINCT customer_id) AS members FROM nebula_marts.dim_customer) AS c,
    (SELECT count(*) AS versions, count(DISTINCT stock_code) AS members FROM nebula_marts.dim_product) AS p
"""
TABLES = ("dim_customer", "dim_product", "fact_sales", "fact_order_fulfilment", "fact_inventory_daily")


def read(ask: Ask) -> Dashboard:
    """Read the dashboard from the marts.

    Parameters
    ----------
    ask : callable
        Runs a query in the warehouse and returns its rows.
    """
    ((first, last),) = ask(SPAN)
    first, last = first or date(2000, 1, 1), last or date(2000, 1, 1)  # where nothing was sold yet, nothing is found
    unit = "month" if (last - first).days > DAYS_OF_A_QUARTER else "day"

    def rows(query: str, *columns: str) -> Rows:
        return [dict(zip(columns, row, strict=True)) for row in ask(query.format(unit=unit, first=first, last=last))]

    lines, revenue, versions, customers, product_versions, products = ask(TOTALS)[0]
    return Dashboard(
        title="A shop as it was, and as it is",
        lead="Facts keep the version of customer and product that was valid when they happened; each version also knows"
        " how things stand today.",
        charts=[
            over_time(
                unit,
                f"Revenue by {unit} and category",
                "What was sold, by the category that a product was in when it was sold; cancellations and returns count"
                " against it.",
                rows(REVENUE, "day", "category", "revenue"),
            ),
            both_ways(rows(CATEGORIES, "category", "way", "revenue")),
            fulfilment(rows(FULFILMENT, "milestone", "orders", "lower_quarter", "median", "upper_quarter")),
            over_time(
                unit,
                "Stock",
                f"Pieces on hand at the end of each {unit}, by warehouse; between counts the last one holds.",
                rows(STOCK, "day", "warehouse", "pieces"),
            ),
            over_time(
                unit,
                "Customers by segment",
                f"How many customers were in each segment when a {unit} began, by the version that was valid then.",
                rows(SEGMENTS, "day", "segment", "customers"),
                mark="area",
            ),
        ],
        figures=[
            Figure("sales lines", lines),
            Figure("revenue", f"{revenue:,.2f}"),
            Figure("customers", customers - 1),
            Figure("versions of customers", versions - 1),
            Figure("products", products - 1),
            Figure("versions of products", product_versions - 1),
        ],
        sources={table: ask(f"SELECT count(*) FROM nebula_marts.{table}")[0][0] for table in TABLES},
    )


def over_time(unit: str, title: str, sentence: str, rows: Rows, mark: str = "line") -> Chart:
    """Return a chart of rows with a day, a name and a number."""
    _, group, number = rows[0] if rows else ("", "", "")
    axis = {"format": "%b %Y" if unit == "month" else "%d %b", "tickCount": 6}
    x = {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": None, "axis": axis}
    encoding = {"x": x, "y": quantity(number, number), "color": {"field": group, "type": "nominal", "title": None}}
    return Chart(title, sentence, rows, {"mark": {"type": mark, "point": mark == "line"}, "encoding": encoding})


def both_ways(rows: Rows) -> Chart:
    """Return the chart of revenue by category as it was and as it is."""
    way = {"field": "way", "type": "nominal", "title": None, "sort": "descending"}
    return Chart(
        "Revenue as it was and as it is",
        "The same sales twice: by the category of the time, and by the category of today. Where the bars of a category"
        " differ, products came or went.",
        rows,
        {
            "mark": "bar",
            "encoding": {
                "y": {"field": "category", "type": "nominal", "title": None},
                "yOffset": {"field": "way", "sort": "descending"},
                "x": quantity("revenue", "revenue"),
                "color": way,
            },
        },
    )


def fulfilment(rows: Rows) -> Chart:
    """Return the chart of the hours that orders take."""
    quarters = {"x": quantity("lower_quarter", "hours since it was placed"), "x2": {"field": "upper_quarter"}}
    tick = {"type": "tick", "size": 34, "thickness": 3, "color": "#D55E00"}
    return Chart(
        "How long orders take",
        "Hours from placing an order to each milestone that was reached: the bar is the middle half of the orders, the"
        " tick the median.",
        rows,
        {
            "encoding": {"y": {"field": "milestone", "type": "nominal", "title": None}},
            "layer": [
                {"mark": {"type": "bar", "size": 24}, "encoding": quarters},
                {"mark": tick, "encoding": {"x": quantity("median", "hours since it was placed")}},
            ],
        },
    )


def quantity(field: str, title: str) -> dict[str, Any]:
    """Return the encoding of a number."""
    return {"field": field, "type": "quantitative", "title": title}
