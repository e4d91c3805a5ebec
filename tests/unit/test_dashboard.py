"""A dashboard's page says what the data says, runs nothing, and names the chart that is wrong."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from infra import dashboard as dashboards
from infra import stack
from infra.catalog import StackInfo
from infra.dashboard import Chart, Dashboard, Figure, draw, page
from infra.errors import OrreryError
from infra.output import Ui

HOSTILE = "<script>alert('x')</script>\"'&<b>"
BAR = {"mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}, "y": {"field": "name"}}}
ROWS = [{"name": HOSTILE, "n": 3}, {"name": "Größe 日本", "n": 1}]
AT = datetime(2026, 11, 30, 14, 31, 5, tzinfo=UTC)


class Reader(HTMLParser):
    """What a browser would find: elements with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def charted(rows: list[dict[str, Any]], spec: dict[str, Any] = BAR) -> Chart:
    return Chart("Planets by name", "Most are small.", rows, spec)


def shown(*charts: Chart, figures: tuple[Figure, ...] = (), sources: dict[str, int] | None = None) -> str:
    board = Dashboard("Planets", "What was found.", charts, figures, sources or {})
    return page.page(board, draw.draw(board, Ui()), stack="70_quasar", target="local", read_at=AT)


def svgs(html: str) -> list[ET.Element]:
    sources = [image["src"].partition("base64,")[2] for image in Reader(html).all("img")]
    return [ET.fromstring(base64.b64decode(each)) for each in sources]


def refusal(*charts: Chart) -> OrreryError:
    with pytest.raises(OrreryError) as caught:
        draw.draw(Dashboard("t", "l", charts), Ui())
    return caught.value


def test_the_page_tells_what_was_read_where_and_when() -> None:
    html = shown(charted(ROWS), figures=(Figure("planets", 5968), Figure("share", "12 %")), sources={"star.fact": 5968})
    text = " ".join("".join(Reader(html).texts).split())
    assert "Planets What was found. planets5,968share12 %" in text
    assert "Read on 2026-11-30 14:31:05 UTC from 70_quasar on local: star.fact 5,968 rows." in text
    assert "The data as a table (2 rows)" in text


def test_the_same_data_is_the_same_bytes() -> None:
    assert shown(charted(ROWS)) == shown(charted(ROWS))


def test_data_stays_text_whatever_it_says() -> None:
    chart = Chart(HOSTILE, HOSTILE, [{HOSTILE: HOSTILE, "n": 1}], {"mark": "bar", "encoding": {"x": {"field": "n"}}})
    board = Dashboard(HOSTILE, HOSTILE, [chart], [Figure(HOSTILE, HOSTILE)], {HOSTILE: 1})
    html = page.page(board, draw.draw(board, Ui()), stack="70_quasar", target="local", read_at=AT)
    found = Reader(html)
    assert {"script", "b"}.isdisjoint(name for name, _ in found.elements)
    assert found.texts.count(HOSTILE) == 9  # title, heading, lead, figure (2), chart (2), table's head and cell
    assert found.all("img")[0]["alt"] == f"{HOSTILE}. {HOSTILE}"


def test_a_chart_shows_hostile_names_as_text_in_both_themes() -> None:
    light, dark = svgs(shown(charted(ROWS)))
    for picture in (light, dark):
        assert not [each.tag for each in picture.iter() if each.tag.endswith(("script", "image", "foreignObject"))]
        words = [each.text or "" for each in picture.iter() if each.tag.endswith("text")]
        assert "Größe 日本" in words and any(word.startswith("<script>alert(") for word in words)
    colours = [{each.get("fill") for each in picture.iter()} for picture in (light, dark)]
    assert draw.COLOURS["light"][0] in colours[0] - colours[1]
    assert draw.COLOURS["dark"][0] in colours[1] - colours[0]


def test_the_page_may_run_and_load_nothing() -> None:
    html = shown(charted(ROWS))
    found = Reader(html)
    policy = next(each["content"] for each in found.all("meta") if "http-equiv" in each)
    style = re.search(r"<style>(.*?)</style>", html, re.S)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"'sha256-{digest}'" in policy and "unsafe" not in policy
    addresses = [a[name] for _, a in found.elements for name in ("src", "href", "srcset", "action") if name in a]
    assert len(addresses) == 2 and all(each.startswith("data:image/svg+xml;base64,") for each in addresses)
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]


def test_a_chart_without_rows_says_what_to_do() -> None:
    html = shown(charted([]), charted(ROWS))
    assert "There is nothing to show yet. Load some data: make run STACK=70_quasar" in html
    assert len(Reader(html).all("img")) == 2
    assert shown(charted([])).count("<figure>") == 1


def test_a_table_shows_values_as_they_are_and_so_many_rows() -> None:
    row = {"name": "a", "n": Decimal("3.0"), "day": date(2026, 1, 2), "share": 1 / 3, "none": None, "nan": float("nan")}
    text = " ".join(Reader(shown(charted([row]))).texts)
    assert [word in text.split() for word in ("3", "2026-01-02", "0.333333", "—")] == [True] * 4
    many = [{"name": "a", "n": n} for n in range(page.MOST_ROWS + 1)]
    html = shown(charted(many))
    assert f"the first {page.MOST_ROWS} of {page.MOST_ROWS + 1} rows" in html
    assert html.count("<tr>") == page.MOST_ROWS + 1


@pytest.mark.parametrize(
    ("rows", "spec", "what"),
    [
        (ROWS, {**BAR, "encoding": {"x": {"field": "nme"}}}, "uses the field 'nme', which its rows don't have"),
        (ROWS, {"mark": "bar", "layer": [{"encoding": {"x": {"field": "gone"}}}]}, "uses the field 'gone'"),
        (ROWS, {**BAR, "data": {"values": []}}, "has data in its specification"),
        ([{"name": "a", "n": 1}, {"name": "b"}], BAR, "has rows with different columns: name"),
        ([{"name": "a", "n": {1, 2}}], BAR, "has a set in 'n'"),
        (ROWS, {**BAR, "mark": "bars"}, "can't be drawn"),
        (ROWS, {**BAR, "transform": [{"calculate": "datum.n +", "as": "m"}]}, "can't be drawn: Error: Unexpected end"),
        (ROWS, {"layer": [{**BAR, "data": {"url": "http://127.0.0.1:9/a.csv"}}]}, "External data url not allowed"),
    ],
)
def test_what_is_wrong_with_a_chart_is_said_with_its_title(
    rows: list[dict[str, Any]], spec: dict[str, Any], what: str
) -> None:
    error = refusal(charted(ROWS), Chart("The broken one", "", rows, spec))
    assert error.what.startswith("the chart 'The broken one' ") and what in error.what
    assert error.next_step and "\n" not in error.what


def test_a_field_that_a_transform_makes_is_known() -> None:
    counted = {"transform": [{"aggregate": [{"op": "count", "as": "rows"}], "groupby": ["name"]}]}
    assert svgs(shown(charted(ROWS, {**counted, "mark": "bar", "encoding": {"x": {"field": "rows"}}})))


def test_a_drawing_process_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("ORRERY_ENV_DASHBOARD", str(broken))
    error = refusal(charted(ROWS))
    assert error.what == "the charts could not be drawn: their process ended with 3"
    assert "no such library" in error.details


def test_the_command_writes_the_page_as_a_whole(
    plant: Callable[..., StackInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = plant("70_quasar", CODE)
    monkeypatch.setattr(
        "infra.deploy.dashboard", lambda info, target, ui: Dashboard("Quasars", "Few.", [charted(ROWS)])
    )
    file = tmp_path / "made" / "page.html"
    assert dashboards.dashboard(info, "local", Ui(), file) == file
    assert "<h1>Quasars</h1>" in file.read_text()
    assert [each.name for each in file.parent.iterdir()] == ["page.html"]
    with pytest.raises(OrreryError, match=r"cannot write .*: Is a directory") as caught:
        dashboards.dashboard(info, "local", Ui(), file.parent)
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".new")] == []
    assert "--output" in caught.value.next_step
    assert dashboards.dashboard(info, "aws", Ui()) == dashboards.FOLDER / "70-quasar-aws.html"


CODE = """
    from infra.stack import Stack


    class Quasar(Stack):
        def build(self):
            pass

        def dashboard(self, live):
            raise AssertionError("planted")
"""


def test_only_a_stack_with_a_dashboard_offers_it(plant: Callable[..., StackInfo]) -> None:
    with_one, without = plant("70_quasar", CODE), plant("71_pulsar", CODE.partition("    def dashboard")[0])
    offers = "make dashboard STACK="
    for info, there in ((with_one, True), (without, False)):
        built = stack.load_class(info).__new__(stack.load_class(info))
        built.info = info
        assert any(line.startswith(offers) for line in built.next_steps()) is there


def test_a_stack_without_a_dashboard_says_so_at_once(orrery: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = orrery("dashboard", "14")
    assert done.returncode == 1
    assert done.stderr.startswith("error: 14_blackhole has no dashboard\nnext: see its README")
