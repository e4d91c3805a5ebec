"""What is wrong with a Grafana dashboard of a stack: read as its JSON model says, against what the stack emits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

COLUMNS = 24
"""How wide Grafana's grid is."""
STATISTICS = {"Average", "Maximum", "Minimum", "SampleCount", "Sum"}


def problems(dashboard: Mapping[str, Any], namespace: str, metrics: Mapping[str, str]) -> list[str]:
    """Return what a reader of a dashboard would miss; nothing when it can be imported and each panel has a metric.

    Parameters
    ----------
    dashboard : mapping
        Its JSON model, as Grafana exports it.
    namespace, metrics : str, mapping
        What the stack's ``metrics.py`` emits: names, and CloudWatch's unit of each.
    """
    found = [f"{name} is missing" for name in ("title", "uid", "schemaVersion", "time") if not dashboard.get(name)]
    if dashboard.get("id") is not None:
        found.append("id is that of one Grafana: it is null in what others import")
    variables = [each for each in dashboard.get("templating", {}).get("list", []) if each.get("type") == "datasource"]
    if [each.get("query") for each in variables] != ["cloudwatch"]:
        found.append("the data source is no variable of type cloudwatch: each Grafana has its own")
    panels = [each for each in dashboard.get("panels", []) if each.get("type") != "row"]
    if not panels:
        found.append("there are no panels")
    ids = [each.get("id") for each in dashboard.get("panels", [])]
    found += [f"the id {each} stands twice" for each in sorted({each for each in ids if ids.count(each) > 1})]
    found += _overlaps(dashboard.get("panels", []))
    for panel in panels:
        found += [f"{panel.get('title') or panel.get('id')}: {each}" for each in _panel(panel, namespace, metrics)]
    return found


def _overlaps(panels: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        at, title = panel["gridPos"], str(panel.get("title") or panel.get("id"))
        if at["x"] + at["w"] > COLUMNS:
            yield f"{title} is wider than the page"
        places = [(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])]
        yield from sorted({f"{title} lies over {taken[place]}" for place in places if place in taken})
        taken.update(dict.fromkeys(places, title))


def _panel(panel: Mapping[str, Any], namespace: str, metrics: Mapping[str, str]) -> Iterator[str]:
    if not panel.get("title") or not panel.get("description"):
        yield "it has no title or no description"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "its axis has no unit"
    if panel.get("type") == "text":
        return
    targets = panel.get("targets", [])
    if not targets:
        yield "it asks nothing"
    for target in targets:
        if target.get("datasource", {}).get("type") != "cloudwatch":
            yield "it asks another data source than CloudWatch"
        if target.get("statistic") not in STATISTICS and not str(target.get("statistic")).startswith("p"):
            yield f"there is no statistic {target.get('statistic')}"
        asked = target.get("namespace")
        if asked == namespace and target.get("metricName") not in metrics:
            yield f"nothing emits {target.get('metricName')}"
        if asked != namespace and not str(asked).startswith("AWS/"):
            yield f"nothing emits into {asked}"
