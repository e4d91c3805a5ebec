"""The page: one HTML file that runs nothing and asks for nothing, for light and dark, wide and narrow, and paper."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape
from typing import Any

from infra.dashboard import Chart, Dashboard
from infra.dashboard.draw import Picture

MOST_ROWS = 500
"""How many rows of a chart its table shows at most."""

STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1d2330; --muted: #5b6474; --line: #d9dee7; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ground: #12151b; --card: #1a1f28; --ink: #e8ebf1; --muted: #a4adbd; --line: #39414f; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem .75rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; line-height: 1.3; margin: 0; }
p { margin: 0; }
.lead { max-width: 45rem; }
.muted { color: var(--muted); }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1.25rem 0; }
dl div { min-width: 0; display: flex; flex-direction: column-reverse; }
dt { color: var(--muted); }
dd { margin: 0; font-size: 1.8rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
.charts > figure { margin: 0; padding: 1rem; min-width: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
.charts img { display: block; width: 100%; max-width: 36rem; height: auto; margin: .75rem auto; }
.charts .dark { display: none; }
@media screen and (prefers-color-scheme: dark) {
  .charts .light { display: none; }
  .charts .dark { display: block; }
}
.empty { margin: .75rem 0; padding: 2rem 1rem; border: 1px dashed var(--line); text-align: center; }
summary { cursor: pointer; color: var(--muted); }
.rows { max-height: 24rem; overflow: auto; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: .15rem .75rem .15rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
footer { margin-top: 1.5rem; font-size: .875rem; color: var(--muted); }
@media print {
  :root { color-scheme: light; --ground: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #bbb; }
  main { max-width: none; padding: 0; }
  .charts { grid-template-columns: 1fr 1fr; }
  .charts > figure { break-inside: avoid; }
  details { display: none; }
}
"""
# Nothing but this page's own style and pictures that lie in it: no script, no request, no frame, no form.
POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)


def page(dashboard: Dashboard, pictures: Sequence[Picture], *, stack: str, target: str, read_at: datetime) -> str:
    """Return a dashboard as HTML.

    Parameters
    ----------
    dashboard : Dashboard
        What it says. All of it is text: none of it can become markup.
    pictures : sequence of dict
        The SVG of each chart by theme, as `infra.dashboard.draw.draw` returns them.
    stack, target : str
        Where the data was read.
    read_at : datetime
        When, with its time zone. The same data read at the same time gives the same bytes.
    """
    figures = "".join(
        f"<div><dt>{escape(figure.label)}</dt><dd>{escape(_figure(figure.value))}</dd></div>"
        for figure in dashboard.figures
    )
    charts = "\n".join(_chart(chart, picture, stack) for chart, picture in zip(dashboard.charts, pictures, strict=True))
    counts = ", ".join(f"{escape(name)} {_figure(rows)} rows" for name, rows in dashboard.sources.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(dashboard.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{escape(dashboard.title)}</h1>
<p class="lead">{escape(dashboard.lead)}</p>
</header>
{f"<dl>{figures}</dl>" if figures else ""}
<section class="charts" aria-label="Charts">
{charts}
</section>
<footer>
<p>Read on <time datetime="{read_at.isoformat()}">{read_at:%Y-%m-%d %H:%M:%S %Z}</time>
from {escape(stack)} on {escape(target)}{f": {counts}" if counts else ""}.</p>
</footer>
</main>
</body>
</html>
"""


def _chart(chart: Chart, picture: Picture, stack: str) -> str:
    heading = f'<h2>{escape(chart.title)}</h2>\n<p class="muted">{escape(chart.sentence)}</p>'
    if not chart.rows:
        nothing = f"There is nothing to show yet. Load some data: make run STACK={stack}"
        return f'<figure>\n{heading}\n<p class="empty">{escape(nothing)}</p>\n</figure>'
    alt = escape(f"{chart.title}. {chart.sentence}")
    return f"""<figure>
{heading}
<img class="light" alt="{alt}" src="{_inline(picture["light"])}">
<img class="dark" alt="{alt}" src="{_inline(picture["dark"])}">
{_table(chart.rows)}
</figure>"""


def _inline(svg: str) -> str:
    """Return a picture as an address that holds it. As an image it can run nothing and load nothing."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns, shown = list(rows[0]), rows[:MOST_ROWS]
    numeric = {name for name in columns if all(row[name] is None or _is_number(row[name]) for row in rows)}
    kinds = {name: ' class="number"' if name in numeric else "" for name in columns}
    head = "".join(f'<th scope="col"{kinds[name]}>{escape(name)}</th>' for name in columns)
    body = "\n".join(
        "<tr>" + "".join(f"<td{kinds[name]}>{escape(_cell(row[name]))}</td>" for name in columns) + "</tr>"
        for row in shown
    )
    count = f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}"
    if len(shown) < len(rows):
        count = f"the first {len(shown):,} of {count}"
    return (
        f'<details>\n<summary>The data as a table ({count})</summary>\n<div class="rows" tabindex="0">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</details>"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (float, Decimal)):
        if not math.isfinite(value):
            return "—"  # the chart leaves it out too
        return f"{value:.0f}" if value == int(value) else f"{value:.6g}"
    return str(value)
