"""Reading once, hashing on the way, unfolding with a limit."""

from __future__ import annotations

import gzip
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.balance import Balance, Imbalance
from jobs.errors import FileRejected
from jobs.source import Content, Limits


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_bytes_come_through_and_the_hash_is_that_of_the_delivery(data: bytes, size: int, twice: bool) -> None:
    stored = gzip.compress(data) + (gzip.compress(data) if twice else b"")
    content = Content(cut(stored, size))
    assert b"".join(content) == (data + data if twice else data)
    assert content.finish() == hashlib.sha256(stored).hexdigest()
    if not data.startswith(b"\x1f\x8b"):
        assert b"".join(Content(cut(data, size))) == data


def test_a_bomb_is_refused_early_and_still_has_its_hash() -> None:
    bomb = gzip.compress(b"0" * (40 << 20))
    content = Content(cut(bomb, 1 << 10), Limits(ratio_from=1 << 20))
    with pytest.raises(FileRejected, match="gzip_bomb"):
        for _ in content:
            pass
    assert content.bytes_out < 4 << 20
    assert content.finish() == hashlib.sha256(bomb).hexdigest()


def test_a_file_beyond_the_limit_is_refused() -> None:
    with pytest.raises(FileRejected, match="too_large"):
        list(Content([b"x" * 100], Limits(max_bytes=99)))


@pytest.mark.parametrize(
    ("stored", "code"),
    [
        (gzip.compress(b"data" * 1000, mtime=0)[:-9], "gzip_truncated"),
        (gzip.compress(b"data" * 1000, mtime=0)[:12] + b"\xff" * 50, "gzip_corrupt"),
        (gzip.compress(b"data", mtime=0) + b"rubbish", "gzip_corrupt"),
    ],
)
def test_damaged_gzip_is_told_from_a_bomb(stored: bytes, code: str) -> None:
    with pytest.raises(FileRejected) as refusal:
        list(Content([stored]))
    assert refusal.value.code == code


def test_padding_behind_gzip_is_no_damage() -> None:
    assert b"".join(Content([gzip.compress(b"data") + b"\0" * 512])) == b"data"


def test_highly_compressed_pieces_stay_small() -> None:
    stored = zlib.compress(b"a,b\n" * (1 << 20), 9, wbits=31)
    assert max(map(len, Content([stored], Limits(max_ratio=10_000)))) <= 1 << 20


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(-2, 2))
def test_a_balance_that_does_not_add_up_cannot_exist(a: int, b: int, c: int, d: int, off: int) -> None:
    if off:
        with pytest.raises(Imbalance):
            Balance(a + b + c + d + off, a, b, c, d)
    else:
        balance = Balance(a + b + c + d, a, b, c, d)
        assert (balance + balance).read == 2 * balance.read
