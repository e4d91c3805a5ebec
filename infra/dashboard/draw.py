"""Checks a dashboard's charts and has them drawn, light and dark, by Vega-Lite in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from infra import envs
from infra.dashboard import Chart, Dashboard
from infra.errors import OrreryError
from infra.modules import nearest
from infra.output import Ui
from infra.paths import ROOT

WIDTH, HEIGHT = 420, 300
"""A chart's size in its own pixels: on a phone it is shown about as large, on a screen somewhat larger."""

PATIENCE_S = 300

# Measured with the font that the library brings along, so that a chart is the same on every machine. Where a browser
# has none of the three, its own is wider: hence the space around titles and in legends.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

# The colours of Okabe and Ito, which people with any colour vision tell apart, each order with its strongest first.
COLOURS = {
    "light": ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#767676"],
    "dark": ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#9A9A9A"],
}
INK = {"light": ("#1d2330", "#5b6474", "#d9dee7"), "dark": ("#e8ebf1", "#a4adbd", "#39414f")}

Picture = dict[str, str]
"""A chart's SVG by theme; empty where there are no rows."""


def theme(name: str) -> dict[str, Any]:
    """Return the Vega-Lite configuration of a theme, ``light`` or ``dark``."""
    text, muted, grid = INK[name]
    colours = COLOURS[name]
    return {
        "background": None,
        "font": FONT,
        "aria": False,  # the page tells it: a sentence and the data as a table
        "view": {"stroke": None},
        "axis": {
            "labelColor": muted,
            "titleColor": muted,
            "titleFontWeight": "normal",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "labelLimit": 180,
            "titlePadding": 12,
            "gridColor": grid,
            "domainColor": muted,
            "tickColor": muted,
        },
        "legend": {
            "orient": "bottom",
            "columns": 3,
            "columnPadding": 20,
            "labelColor": text,
            "titleColor": muted,
            "titleFontWeight": "normal",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "labelLimit": 120,
        },
        "mark": {"color": colours[0]},
        "text": {"color": text},
        "rule": {"color": muted},
        "range": {"category": colours, "ramp": {"scheme": "viridis"}, "heatmap": {"scheme": "viridis"}},
    }


def draw(dashboard: Dashboard, ui: Ui) -> list[Picture]:
    """Draw each chart in both themes.

    Parameters
    ----------
    dashboard : Dashboard
        What to draw.
    ui : Ui
        Where to show progress.

    Returns
    -------
    list of dict
        For each chart its SVG by theme; nothing for a chart without rows.

    Raises
    ------
    OrreryError
        A chart is wrong (a field that no row has, a value that is no data, a specification that Vega-Lite refuses):
        the error names it.
    """
    specs = [specification(chart) for chart in dashboard.charts]
    asked = [spec for chart, spec in zip(dashboard.charts, specs, strict=True) if chart.rows]
    answers = iter(_drawn(asked, ui) if asked else [])
    pictures = [next(answers) if chart.rows else {} for chart in dashboard.charts]
    for chart, picture in zip(dashboard.charts, pictures, strict=True):
        if "error" in picture:
            raise _wrong(chart, f"can't be drawn: {picture['error']}", "mend its Vega-Lite specification")
    return pictures


def specification(chart: Chart) -> dict[str, Any]:
    """Return the whole Vega-Lite specification of a chart, its data included.

    Raises
    ------
    OrreryError
        It brings its own data, names a field that no row has, or a row has other columns than the first.
    """
    if "data" in chart.spec:
        raise _wrong(chart, "has data in its specification", "give its rows to Chart, where its table has them from")
    columns = list(chart.rows[0]) if chart.rows else []
    for row in chart.rows:
        if list(row) != columns:
            raise _wrong(chart, f"has rows with different columns: {', '.join(row)}", f"all need {', '.join(columns)}")
    if chart.rows:
        known = {*columns, *_named(chart.spec, "as")}
        for name in _named(chart.spec, "field"):
            if name not in known:
                what = f"uses the field {name!r}, which its rows don't have{nearest(name, sorted(known))}"
                raise _wrong(chart, what, f"its columns are: {', '.join(columns)}")
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        **chart.spec,
        "data": {"values": [{key: plain(chart, key, value) for key, value in row.items()} for row in chart.rows]},
    }


def plain(chart: Chart, column: str, value: Any) -> Any:
    """Return a value as JSON has it; numbers that are none (NaN, infinite) count as unknown.

    Raises
    ------
    OrreryError
        It is neither text nor number, truth, date or None.
    """
    if isinstance(value, Decimal):
        value = int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise _wrong(chart, f"has a {type(value).__name__} in {column!r}", "make it a text, a number, a date or None")


def _named(part: Any, key: str) -> Iterator[str]:
    """Yield the names that stand anywhere in a specification behind a key."""
    if isinstance(part, Mapping):
        for each, value in part.items():
            if each == key:
                yield from [value] if isinstance(value, str) else [name for name in value if isinstance(name, str)]
            yield from _named(value, key)
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for value in part:
            yield from _named(value, key)


def _drawn(specs: list[dict[str, Any]], ui: Ui) -> list[Picture]:
    command = [str(envs.ensure("dashboard", say=ui.note)), "-P", str(ROOT / "infra" / "dashboard" / "vega_main.py")]
    ui.command(command)
    asked = json.dumps({"specs": specs, "themes": {name: theme(name) for name in COLOURS}}, allow_nan=False)
    with ui.step("drawing the charts"):
        try:
            # Dates are read in UTC, whatever the machine's own zone is.
            done = subprocess.run(
                command, env={"TZ": "UTC"}, input=asked, capture_output=True, text=True, timeout=PATIENCE_S
            )
            answers: list[Picture] = json.loads(done.stdout)
        except subprocess.TimeoutExpired as error:
            raise OrreryError(
                f"the charts were not drawn after {PATIENCE_S} s", next_step="let the warehouse count: fewer rows"
            ) from error
        except ValueError as error:
            raise OrreryError(
                f"the charts could not be drawn: their process ended with {done.returncode}",
                next_step="--verbose shows what it said",
                details=done.stderr,
            ) from error
    return answers


def _wrong(chart: Chart, what: str, next_step: str) -> OrreryError:
    return OrreryError(f"the chart {chart.title!r} {what}", next_step=next_step)
