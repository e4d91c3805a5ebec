"""A public file arrives whole or not at all, goes on where it stopped, and a failure says what to do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra import catalog, download
from infra.catalog import Source
from infra.errors import OrreryError
from infra.output import Ui

CONTENT = bytes(range(256)) * 4000


@dataclass
class Publisher:
    """A server that has a file, and breaks off when the test wants that."""

    url: str = ""
    content: bytes = CONTENT
    tag: str = '"one"'
    breaks_after: int = 0
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def source(self, **more: str) -> Source:
        return replace(Source("a file", "somebody", "free", self.url, "1 MB", "planets.csv"), **more)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            made.asked.append(wanted)
            if made.status != 200:
                self.send_error(made.status)
                return
            start = 0
            if wanted and self.headers.get("If-Range") == made.tag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            body = made.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("ETag", made.tag)
            self.send_header("Content-Length", str(len(body)))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(made.content) - 1}/{len(made.content)}")
            self.end_headers()
            self.wfile.write(body[: made.breaks_after or None])

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/planets.csv"
    yield made
    server.shutdown()
    server.server_close()


def test_a_file_arrives_whole(publisher: Publisher, tmp_path: Path) -> None:
    file = tmp_path / "planets.csv"
    download.fetch(publisher.source(sha256=hashlib.sha256(CONTENT).hexdigest()), file)
    assert file.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [file], "nothing else is left"


def test_one_that_breaks_off_is_not_there_and_goes_on(publisher: Publisher, tmp_path: Path) -> None:
    file, publisher.breaks_after = tmp_path / "planets.csv", 400_000
    with pytest.raises(OrreryError) as broke:
        download.fetch(publisher.source(), file)
    assert "again" in broke.value.next_step or "goes on" in broke.value.next_step
    assert not file.exists()
    publisher.breaks_after = 0
    download.fetch(publisher.source(), file)
    assert file.read_bytes() == CONTENT
    assert publisher.asked == ["", "bytes=400000-"]


def test_one_that_was_changed_meanwhile_begins_anew(publisher: Publisher, tmp_path: Path) -> None:
    file, publisher.breaks_after = tmp_path / "planets.csv", 400_000
    with pytest.raises(OrreryError):
        download.fetch(publisher.source(), file)
    publisher.breaks_after, publisher.tag, publisher.content = 0, '"two"', b"other" * 200_000
    download.fetch(publisher.source(), file)
    assert file.read_bytes() == publisher.content


def test_another_file_than_expected_is_refused_and_the_old_one_stays(publisher: Publisher, tmp_path: Path) -> None:
    file = tmp_path / "planets.csv"
    file.write_text("the old one")
    with pytest.raises(OrreryError, match="is not the file that is expected"):
        download.fetch(publisher.source(sha256="0" * 64), file)
    assert file.read_text() == "the old one" and not (tmp_path / ".planets.csv.part").exists()


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_refuses_is_named(publisher: Publisher, tmp_path: Path, status: int) -> None:
    publisher.status = status
    with pytest.raises(OrreryError, match=f"answers {status}") as refused:
        download.fetch(publisher.source(), tmp_path / "planets.csv")
    assert "somebody" in refused.value.next_step


def test_without_a_network_one_line_says_so(tmp_path: Path) -> None:
    source = Source("a file", "somebody", "free", "http://127.0.0.1:9/planets.csv", "", "planets.csv")
    with pytest.raises(OrreryError, match=r"planets\.csv can't be downloaded: .*refused") as offline:
        download.fetch(source, tmp_path / "planets.csv")
    assert "internet" in offline.value.next_step


def test_what_is_there_is_not_downloaded_again(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = replace(catalog.built("02_comet"), data=(publisher.source(),))
    for again, asked in ((False, 1), (False, 1), (True, 2)):
        assert download.data(info, Ui(), again=again, into=tmp_path) == [tmp_path / "planets.csv"]
        assert len(publisher.asked) == asked
    assert f"make run STACK=02_comet DATA={tmp_path / 'planets.csv'}" in capsys.readouterr().out


def test_a_stack_whose_data_has_only_a_page_names_it() -> None:
    with pytest.raises(OrreryError, match="01_meteor has no file") as refused:
        download.data(catalog.built("01_meteor"), Ui())
    assert "mavenanalytics" in refused.value.next_step


def test_every_file_of_a_stack_has_an_address_and_a_name_without_folders() -> None:
    files = [each for info in catalog.load().values() for each in info.data if each.file]
    assert files and all(each.url.startswith("https://") and "/" not in each.file for each in files)
