"""The page of a dashboard in a browser: it can be read on a phone, on a screen and on paper, and asks for nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from infra.dashboard import Chart, Dashboard, Figure, draw, page
from infra.errors import OrreryError
from infra.output import Ui
from tests.support.browser import Seen, View, find, open_pages

pytestmark = pytest.mark.e2e

HOSTILE = "<script>document.title = 'taken over'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>"
LONG = "a_name_without_any_space_" * 12
POINTS = [{"x": n % 37 + 1, "y": n % 11 + 1, "kind": f"kind {n % 3}"} for n in range(300)]
BARS = {"mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}, "y": {"field": "name"}}}
DOTS = {
    "mark": "point",
    "encoding": {name: {"field": name, "type": "quantitative", "scale": {"type": "log"}} for name in "xy"}
    | {"color": {"field": "kind"}, "shape": {"field": "kind"}},
}


@pytest.fixture(scope="module")
def html() -> str:
    bars = Chart(HOSTILE, LONG, [{"name": HOSTILE, "n": 3}, {"name": LONG, "n": 1}], BARS)
    dots = Chart("Dots", "They lie on lines.", POINTS, DOTS)
    board = Dashboard(LONG, HOSTILE, [bars, dots, Chart("None", "", [], BARS)], [Figure(LONG, 10**12)], {LONG: 1})
    pictures = draw.draw(board, Ui())
    return page.page(board, pictures, stack="70_quasar", target="local", read_at=datetime(2026, 11, 30, tzinfo=UTC))


def opened(folder: Path, html: str, *views: dict[str, Any]) -> list[Seen]:
    """Open a page, once for each set of options, in one browser."""
    file = folder / "page.html"
    file.write_text(html)
    return open_pages([View(file.as_uri(), **options) for options in views])


WAYS = list(product((1280, 400), ("light", "dark"), ("screen", "print")))


@pytest.fixture(scope="module")
def views(html: str, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str, str], Seen]:
    """The page in each width, theme and medium."""
    options = [{"width": width, "scheme": scheme, "media": media} for width, scheme, media in WAYS]
    return dict(zip(WAYS, opened(tmp_path_factory.mktemp("page"), html, *options), strict=True))


@pytest.mark.parametrize(("width", "scheme", "media"), WAYS)
def test_it_can_be_read_everywhere(
    views: dict[tuple[int, str, str], Seen], width: int, scheme: str, media: str
) -> None:
    found = views[width, scheme, media]
    assert found.console == []
    assert [each.partition(":")[0] for each in found.requests if not each.startswith("data:")] == ["file"]
    assert found.answers["overflow"] == 0
    shown = found.answers["pictures"]
    assert [each["kind"] for each in shown] == 2 * ["light" if media == "print" else scheme]
    for each in shown:
        assert each["drawn"] and each["height"] > 100 and 0 <= each["left"] < each["right"] <= width
    assert shown[0]["alt"] == f"{HOSTILE}. {LONG}"


def test_the_table_opens_and_nothing_of_the_data_became_part_of_the_page(html: str, tmp_path: Path) -> None:
    ask = {
        "cell": "document.querySelector('td').checkVisibility() && document.querySelector('td').textContent",
        "title": "document.title",
        "elements": "document.querySelectorAll('script, main img:not(.light, .dark)').length",
    }
    (found,) = opened(tmp_path, html, {"clicks": ["summary"], "ask": ask})
    assert found.answers == {"cell": HOSTILE, "title": LONG, "elements": 0}


def test_ink_and_ground_change_with_the_theme(html: str, tmp_path: Path) -> None:
    ask = {"ground": "getComputedStyle(document.body).backgroundColor", "ink": "getComputedStyle(document.body).color"}
    light, dark = (
        each.answers
        for each in opened(tmp_path, html, *({"scheme": scheme, "ask": ask} for scheme in ("light", "dark")))
    )
    assert [sum(map(int, re.findall(r"\d+", each["ground"]))) > 380 for each in (light, dark)] == [True, False]
    assert [sum(map(int, re.findall(r"\d+", each["ink"]))) > 380 for each in (light, dark)] == [False, True]


@pytest.mark.parametrize(
    ("mistake", "trace"),
    [
        ("<script>document.title = 'ran'</script>", "console"),
        ("<img class='light' src='http://127.0.0.1:9/pixel.png'>", "console"),
        ("<div style='color: red'></div>", "console"),
        ("<table><tr><td><img class='light' width='2000' height='10'></td></tr></table>", "overflow"),
    ],
)
def test_a_planted_mistake_is_seen(html: str, tmp_path: Path, mistake: str, trace: str) -> None:
    (found,) = opened(tmp_path, html.replace("<footer>", f"{mistake}<footer>"), {"width": 400})
    assert found.answers["overflow"] > 0 if trace == "overflow" else found.console


def test_without_its_policy_a_page_that_reaches_out_is_seen(html: str, tmp_path: Path) -> None:
    open_page = re.sub(r"<meta http-equiv[^>]*>", "", html)
    (found,) = opened(tmp_path, open_page.replace("<footer>", "<img src='http://127.0.0.1:9/pixel.png'><footer>"), {})
    assert "http://127.0.0.1:9/pixel.png" in found.requests


def test_a_machine_without_a_browser_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OrreryError, match=r"no browser is installed .*next: apt-get install chromium"):
        find()
