"""``orrery data``: a stack's public files from where their publisher keeps them, whole or not at all.

A download that breaks off goes on where it stopped, if the publisher's server can do that and still has the same file
(RFC 9110, sections 13.1.5 and 14: ``Range`` with ``If-Range``); else it begins anew. What arrived is under another name
until it is whole.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.catalog import Source, StackInfo
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import CACHE

PIECE = 1 << 20
PATIENCE_S = 60.0
"""How long a server may say nothing: some compute the file first."""


def data(info: StackInfo, ui: Ui, *, again: bool = False, into: Path | None = None) -> list[Path]:
    """Download the public files of a stack that are not there yet.

    Parameters
    ----------
    info : StackInfo
        Which stack; ``stack.toml`` says where its data is, and under which licence.
    ui : Ui
        Where to print.
    again : bool
        Also those that are there.
    into : Path, optional
        The folder; else one in the cache.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OrreryError
        Nothing of the stack can be downloaded, a server can't be reached or refuses, or a file is not the one expected.
    """
    sources = [each for each in info.data if each.file]
    if not sources:
        pages = [each.url for each in info.data if each.url]
        raise OrreryError(
            f"{info.id} has no file that can be downloaded by a command",
            next_step=f"look at {pages[0]}, then: make run STACK={info.id} DATA=file" if pages else "see its README",
        )
    folder = into or CACHE / "data" / info.slug
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for source in sources:
        file = folder / source.file
        if again or not file.exists():
            with ui.step(f"downloading {source.file}"):
                fetch(source, file)
        ui.say(f"{source.name}: {file}  ({file.stat().st_size:,} bytes, sha256 {_sha256(file)[:16]}…)")
        ui.say(f"  licence: {source.licence}")
        files.append(file)
    ui.say(f"Next: make run STACK={info.id} DATA={files[0]}")
    return files


def fetch(source: Source, file: Path) -> None:
    """Download one file; what is there under its name is replaced only by a whole one.

    Raises
    ------
    OrreryError
        The server can't be reached or refuses, the file broke off, or is not the one expected.
    """
    part, note = file.with_name(f".{file.name}.part"), file.with_name(f".{file.name}.json")
    begun = _begun(part, note, source.url)
    request = urllib.request.Request(source.url, headers={"User-Agent": "orrery", **begun})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            goes_on = answer.status == 206
            note.write_text(json.dumps({"url": source.url, "validator": _validator(answer.headers)}))
            with part.open("ab" if goes_on else "wb") as out:
                while piece := answer.read(PIECE):
                    out.write(piece)
            _must_be_whole(answer, part, goes_on, source)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is there is no beginning of what the server has now
            part.unlink(missing_ok=True)
        raise OrreryError(
            f"{source.file}: {source.url} answers {error.code} {error.reason}",
            next_step=f"run it again, or download it by hand and use DATA=; publisher: {source.publisher}",
        ) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", "") or str(error) or type(error).__name__
        raise OrreryError(
            f"{source.file} can't be downloaded: {reason}",
            next_step="is there a way to the internet? What arrived is kept, and the same command goes on from there",
        ) from error
    if source.sha256 and _sha256(part) != source.sha256:
        found = _sha256(part)
        part.unlink()
        raise OrreryError(
            f"{source.file} is not the file that is expected: sha256 {found}, not {source.sha256}",
            next_step="its publisher may have changed it: look at it, and at stack.toml",
        )
    part.replace(file)
    note.unlink()


def _begun(part: Path, note: Path, url: str) -> dict[str, str]:
    """Return the headers that ask for the rest of a file; none where it has to begin anew."""
    try:
        told = json.loads(note.read_text())
        size = part.stat().st_size
    except (OSError, ValueError):
        return {}
    if told.get("url") != url or not told.get("validator") or not size:
        return {}
    return {"Range": f"bytes={size}-", "If-Range": told["validator"]}


def _validator(headers: Mapping[str, Any]) -> str:
    """Return what says whether a file is still the same: a strong ETag, or when it was changed last."""
    tag = str(headers.get("ETag", ""))
    return tag if tag and not tag.startswith("W/") else str(headers.get("Last-Modified", ""))


def _must_be_whole(answer: Any, part: Path, goes_on: bool, source: Source) -> None:
    """Raise where a server closed the connection early: reading to its end is no error by itself."""
    length = answer.headers.get("Content-Length")
    if goes_on:
        length = str(answer.headers.get("Content-Range", "")).rpartition("/")[2]
    size = part.stat().st_size
    if length and str(length).isdigit() and size != int(length):
        raise OrreryError(
            f"{source.file} broke off after {size:,} of {int(length):,} bytes",
            next_step="run it again: it goes on from there",
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
