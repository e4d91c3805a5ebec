"""A headless browser for tests: pages are opened in a process of its own, and what is to be seen comes back as data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra import envs
from infra.errors import OrreryError
from infra.local.doctor import BROWSERS

MAIN = Path(__file__).with_name("browser_main.py")

# What a page must not have, and what tells that it can be read: asked of the page itself.
LAYOUT = {
    "overflow": "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    "pictures": """[...document.images].filter(image => image.checkVisibility()).map(image => {
        const box = image.getBoundingClientRect();
        return {alt: image.alt, kind: image.className, drawn: image.complete && image.naturalWidth > 0,
                left: box.left, right: box.right, width: box.width, height: box.height};
    })""",
}

# What a dashboard says: its figures by label, and under each chart's title its table, the head first.
CONTENT = {
    "figures": """Object.fromEntries([...document.querySelectorAll('dl > div')].map(
        pair => [pair.querySelector('dt').textContent, pair.querySelector('dd').textContent]))""",
    "tables": """Object.fromEntries([...document.querySelectorAll('figure')].map(
        figure => [figure.querySelector('h2').textContent,
                   [...figure.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent))]))""",
}


@dataclass(frozen=True)
class View:
    """A page to open.

    Parameters
    ----------
    url : str
        Its address; ``Path.as_uri()`` of a file.
    width, height : int
        The window, in CSS pixels.
    scheme : str
        ``light`` or ``dark``, what the user prefers.
    clicks : sequence of str
        CSS selectors, clicked in turn.
    ask : mapping
        JavaScript expressions by name, evaluated at the end; they give JSON.
    media : str
        ``screen`` or ``print``.
    picture : str
        Where to write a PNG of the whole page; nowhere unless given.
    patience_s : float
        How long the page, and each click, may take.
    """

    url: str
    width: int = 1280
    height: int = 900
    scheme: str = "light"
    clicks: Sequence[str] = ()
    ask: Mapping[str, str] = field(default_factory=lambda: dict(LAYOUT))
    media: str = "screen"
    picture: str = ""
    patience_s: float = 30.0


@dataclass(frozen=True)
class Seen:
    """What a page showed: lines of its console, all addresses that it asked for, answers by name."""

    console: list[str]
    requests: list[str]
    answers: dict[str, Any]


def find() -> str:
    """Return the browser of this machine.

    Raises
    ------
    OrreryError
        There is none: the test that needs it fails, and says what to install.
    """
    for name in BROWSERS:
        if program := shutil.which(name):
            return program
    raise OrreryError(
        "no browser is installed that tests can drive",
        next_step="apt-get install chromium, or make test-e2e as root",
    )


def open_pages(views: Sequence[View]) -> list[Seen]:
    """Open pages one after another in one browser that has no history and leaves none.

    Parameters
    ----------
    views : sequence of View
        What to open.

    Returns
    -------
    list of Seen
        For each view.
    """
    program, python = find(), envs.ensure("browser")
    patience_s = 60 + sum(view.patience_s * (2 + len(view.clicks)) for view in views)
    done = subprocess.run(
        [str(python), "-P", str(MAIN)],
        input=json.dumps({"program": program, "views": [asdict(view) for view in views]}),
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        capture_output=True,
        text=True,
        timeout=patience_s,
    )
    assert done.returncode == 0, done.stderr
    return [Seen(**each) for each in json.loads(done.stdout)]


def read_dashboard(file: Path, charts: int) -> tuple[dict[str, str], dict[str, list[list[str]]]]:
    """Check that a dashboard can be read, wide and narrow, light and dark, and return what it says.

    Parameters
    ----------
    file : Path
        As ``./orrery dashboard`` wrote it.
    charts : int
        How many charts must be seen.

    Returns
    -------
    figures : dict
        Label to text.
    tables : dict
        A chart's title to its rows of texts, the first of them the head.
    """
    ways = [(width, scheme) for width in (1280, 400) for scheme in ("light", "dark")]
    ask = LAYOUT | CONTENT
    found = open_pages([View(file.as_uri(), width=width, scheme=scheme, ask=ask) for width, scheme in ways])
    for (width, scheme), seen in zip(ways, found, strict=True):
        assert seen.console == []
        assert [each for each in seen.requests if not each.startswith("data:")] == [file.as_uri()]
        assert seen.answers["overflow"] == 0
        pictures = seen.answers["pictures"]
        assert [each["kind"] for each in pictures] == charts * [scheme]
        for each in pictures:
            assert each["drawn"] and each["height"] > 100 and 0 <= each["left"] < each["right"] <= width
    answers = found[0].answers
    return answers["figures"], answers["tables"]
