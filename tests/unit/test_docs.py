"""The generated parts of the documentation are true."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import catalog, docs, graph, modules
from infra.errors import OrreryError
from infra.paths import MODULES, ROOT


def _stale(file: Path) -> bool:
    text = file.read_text()
    parts = [docs.merged(text, marker, produce()) for each, marker, produce in docs.generated() if each == file]
    assert parts, f"{file} has no generated part"
    return any(part != text for part in parts)


def test_the_readmes_table_of_forty_is_up_to_date() -> None:
    assert not _stale(ROOT / "README.md"), "run: make docs"


@pytest.mark.parametrize("name", modules.names())
def test_a_modules_interface_tables_are_up_to_date(name: str) -> None:
    assert not _stale(MODULES / name / "README.md"), "run: make docs"


@pytest.mark.parametrize("name", [info.id for info in catalog.load().values() if info.built])
def test_a_stacks_picture_is_up_to_date_and_its_readme_shows_it(name: str) -> None:
    folder = catalog.built(name).path
    assert not _stale(folder / graph.FILE), "run: make docs"
    assert not _stale(folder / "README.md"), "run: make docs"
    assert f"]({graph.FILE})" in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", ["ledger.md", "ledger.json"])
def test_the_ledgers_documents_are_up_to_date(name: str) -> None:
    assert not _stale(ROOT / "docs" / name), "run: make docs"


def test_a_changed_stack_makes_its_picture_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "architecture.svg"
    drawn = graph.draw(catalog.built("01_meteor"))
    monkeypatch.setattr(docs, "generated", lambda: [(file, "", lambda: drawn)])
    assert docs.update(write=False) == [file] and not file.exists()
    assert docs.update(write=True) == [file] and file.read_text() == drawn
    assert docs.update(write=False) == []
    file.write_text(drawn.replace("missed", "lost"))
    assert docs.update(write=False) == [file]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "README.md"
    file.write_text("before\n<!-- BEGIN table -->\nold\n<!-- END table -->\nafter\n")
    monkeypatch.setattr(docs, "generated", lambda: [(file, "table", lambda: "new \\1\n")])
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    return file


def test_a_stale_part_is_found_and_only_written_when_asked(page: Path) -> None:
    before = page.read_text()
    assert docs.update(write=False) == [page]
    assert page.read_text() == before
    assert docs.update(write=True) == [page]
    assert page.read_text() == "before\n<!-- BEGIN table -->\nnew \\1\n<!-- END table -->\nafter\n"
    assert docs.update(write=False) == []


@pytest.mark.parametrize("text", ["nothing here\n", "<!-- BEGIN table -->\n<!-- END table -->\n" * 2])
def test_missing_or_doubled_markers_are_an_error_that_names_the_file(page: Path, text: str) -> None:
    page.write_text(text)
    with pytest.raises(OrreryError, match=r"README\.md.*markers"):
        docs.update(write=True)
    assert page.read_text() == text
