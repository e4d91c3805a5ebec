"""The generator: deterministic, dirty in the ways of the real files, and honest about it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meteor.clean import clean_frame, launch_keys
from meteor.formats import recognise
from meteor.generate import BAD_KINDS, HEADERS, REASONS, generate, main
from meteor.load import parse

from jobs.records import Records
from jobs.source import Content, open_path


def count(path: Path, block_bytes: int = 1 << 16) -> dict[str, object]:
    """Return what a load into an empty table would count, without a database."""
    records = Records(Content(open_path(path)[1]), block_bytes)
    layout = recognise(records.header().fields)
    reasons: Counter[str] = Counter()
    keys: list[str] = []
    read = 0
    for block in records.blocks(layout.columns):
        read += len(block.lines) + len(block.odd)
        reasons.update(odd.reason for odd in block.odd)
        if not len(block.lines):
            continue
        frame, mixed = parse(block, layout)
        cleaned = clean_frame(frame, mixed=mixed)
        reasons.update(cleaned.reasons[cleaned.rejected])
        keys += launch_keys(cleaned.launches[~cleaned.rejected])
    return {
        "read": read,
        "loaded": len(set(keys)),
        "duplicate": len(keys) - len(set(keys)),
        "reasons": dict(sorted(reasons.items())),
        "blank_lines": records.blank_lines,
    }


@pytest.mark.parametrize("shape", ["a", "b"])
@settings(max_examples=12)
@given(
    rows=st.integers(0, 400),
    seed=st.integers(0, 10**6),
    dirty=st.sampled_from([0.0, 0.02, 0.3]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    compress=st.booleans(),
    block=st.sampled_from([100, 5_000]),
)
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    shape: str,
    rows: int,
    seed: int,
    dirty: float,
    line_end: str,
    bom: bool,
    compress: bool,
    block: int,
) -> None:
    path = tmp_path_factory.mktemp("generated") / "launches"
    truth = generate(
        path, rows=rows, seed=seed, shape=shape, dirty=dirty, line_end=line_end, bom=bom, compress=compress
    )
    found = count(path, block)
    assert found == {name: getattr(truth, name) for name in found}
    assert truth.read == truth.loaded + truth.updated + truth.duplicate + truth.quarantined


@pytest.mark.parametrize(("shape", "digest"), [("a", "e076f062064e733d"), ("b", "d3060a54c8cb76ea")])
def test_the_same_arguments_give_the_same_bytes_for_ever(tmp_path: Path, shape: str, digest: str) -> None:
    truth = generate(tmp_path / "one.csv", rows=2_000, seed=7, shape=shape, dirty=0.1)
    assert truth.sha256 == hashlib.sha256((tmp_path / "one.csv").read_bytes()).hexdigest()
    assert truth.sha256[:16] == digest
    again = generate(tmp_path / "two.gz", rows=2_000, seed=7, shape=shape, dirty=0.1, compress=True)
    assert gzip.decompress((tmp_path / "two.gz").read_bytes()) == (tmp_path / "one.csv").read_bytes()
    assert again.loaded == truth.loaded


@pytest.mark.parametrize("shape", ["a", "b"])
def test_every_quirk_occurs(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "launches.csv"
    truth = generate(path, rows=3_000, seed=3, shape=shape, dirty=0.1)
    assert set(truth.reasons or ()) == {REASONS[kind] for kind in BAD_KINDS}
    data = path.read_bytes()
    assert truth.duplicate and truth.blank_lines and b"\r\n\r\n" in data
    assert b'""again""' in data and "ArmÃ©e".encode() in data and b"Arm\xe9e" in data
    assert data.startswith(HEADERS[shape].encode())
    with pytest.raises(UnicodeDecodeError):
        data.decode()


def test_a_clean_file_holds_nothing_but_launches(tmp_path: Path) -> None:
    truth = generate(tmp_path / "launches.csv", rows=500, dirty=0)
    assert (truth.loaded, truth.duplicate, truth.quarantined, truth.blank_lines) == (500, 0, 0, 0)


def test_a_revision_corrects_some_launches_and_adds_none(tmp_path: Path) -> None:
    truth = generate(tmp_path / "first.csv", rows=1_000, seed=5)
    revised = generate(tmp_path / "second.csv", rows=1_000, seed=5, revision=1)
    assert truth.loaded == revised.loaded and truth.sha256 != revised.sha256
    assert revised.again and 50 < revised.again["updated"] < 150 and revised.again["loaded"] == 0


def test_the_command_line_writes_file_and_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "launches.csv.gz"
    assert main(["--rows", "50", "--seed", "2", "--shape", "b", "--gz", "--bom", "--lf", "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(Path(f"{out}.truth.json").read_text(encoding="utf-8"))
    assert gzip.decompress(out.read_bytes()).startswith(b"\xef\xbb\xbfUnnamed: 0,")
