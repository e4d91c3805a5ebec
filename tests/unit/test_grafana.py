"""A stack's Grafana dashboard can be imported, and each panel asks for a metric that the stack emits."""

from __future__ import annotations

import copy
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from infra.paths import ROOT
from tests.support.grafana import problems

DASHBOARDS = sorted(ROOT.glob("stacks/*/dashboards/*.json"))
METRICS = {"messaging.kafka.consumer.lag": "Count"}
TARGET = {
    "datasource": {"type": "cloudwatch", "uid": "${datasource}"},
    "namespace": "Orrery/X",
    "metricName": "messaging.kafka.consumer.lag",
    "statistic": "Maximum",
}
PANEL = {
    "id": 1,
    "type": "timeseries",
    "title": "Lag",
    "description": "Messages that are not read yet.",
    "fieldConfig": {"defaults": {"unit": "short"}},
    "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
    "targets": [TARGET],
}
DASHBOARD: dict[str, Any] = {
    "id": None,
    "uid": "orrery-x",
    "title": "X",
    "schemaVersion": 39,
    "time": {"from": "now-6h", "to": "now"},
    "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "cloudwatch"}]},
    "panels": [PANEL],
}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.parts[-3])
def test_a_stacks_dashboard_shows_what_it_emits(file: Path) -> None:
    _, package = file.parts[-3].split("_", 1)
    metrics = importlib.import_module(f"{package}.metrics")
    assert problems(json.loads(file.read_text()), metrics.NAMESPACE, metrics.METRICS) == []


def test_a_right_dashboard_has_no_problem() -> None:
    assert problems(DASHBOARD, "Orrery/X", METRICS) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"uid": ""}, "uid is missing"),
        ({"id": 7}, "id is that of one Grafana"),
        ({"templating": {"list": []}}, "the data source is no variable"),
        ({"panels": []}, "there are no panels"),
        ({"panels": [PANEL, PANEL]}, "the id 1 stands twice"),
        ({"panels": [PANEL, {**PANEL, "id": 2, "title": "Late"}]}, "Late lies over Lag"),
        ({"panels": [{**PANEL, "gridPos": {"x": 20, "y": 0, "w": 12, "h": 8}}]}, "Lag is wider than the page"),
        ({"panels": [{**PANEL, "description": ""}]}, "Lag: it has no title or no description"),
        ({"panels": [{**PANEL, "fieldConfig": {}}]}, "Lag: its axis has no unit"),
        ({"panels": [{**PANEL, "targets": []}]}, "Lag: it asks nothing"),
        ({"panels": [{**PANEL, "targets": [{**TARGET, "metricName": "lag"}]}]}, "Lag: nothing emits lag"),
        ({"panels": [{**PANEL, "targets": [{**TARGET, "namespace": "Y"}]}]}, "Lag: nothing emits into Y"),
        ({"panels": [{**PANEL, "targets": [{**TARGET, "statistic": "Most"}]}]}, "Lag: there is no statistic Most"),
    ],
)
def test_a_mistake_is_told(change: dict[str, Any], told: str) -> None:
    found = problems({**copy.deepcopy(DASHBOARD), **change}, "Orrery/X", METRICS)
    assert any(each.startswith(told) for each in found), found
