"""Text as people meant it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.text import decode, repair, same, storable, tidy


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Arm\xe9e de l'Air", "Armée de l'Air"),
        (b"M\xc4\x81hia Peninsula", "Māhia Peninsula"),
        (b"n\xe2\x80\xa0\xc2\xad1", "n†\xad1"),
        (b"\x81 is nothing in cp1252", "\x81 is nothing in cp1252"),
        (b"plain", "plain"),
    ],
)
def test_each_value_is_decoded_on_its_own(raw: bytes, text: str) -> None:
    assert decode(raw) == text


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("ArmÃ©e de l'Air", "Armée de l'Air"),  # UTF-8 read as cp1252
        ("MÄ\x81hia", "Māhia"),  # with a byte that cp1252 lacks
        ("Armйe de l'Air", "Armée de l'Air"),  # cp1252 read as cp1251
        ("MДЃhia", "Māhia"),  # UTF-8 read as cp1251
        ("Г‘uSat 9", "ÑuSat 9"),
        ("VLS Pad, Alcвntara, Maranhгo", "VLS Pad, Alcântara, Maranhão"),
        ("ArmÃƒÂ©e", "Armée"),  # twice
    ],
)
def test_certain_mojibake_is_repaired(seen: str, meant: str) -> None:
    assert repair(seen) == meant


@pytest.mark.parametrize("text", ["Союз-2.1б", "Союз-ТМ 5", "Māhia", "Ørsted", "Ñ", "São Paulo £5", "M?hia", "Â Ã", ""])
def test_what_is_right_or_lost_stays(text: str) -> None:
    assert repair(text) == text


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_categories=["Cc"])))
def test_utf8_read_as_cp1252_comes_back(text: str) -> None:
    try:
        seen = text.encode().decode("cp1252")
    except UnicodeDecodeError:
        return
    if repair(text) == text:  # else the text itself looked wrong from the start
        assert repair(seen) == text


@given(st.text())
@example("Â¡\x85")  # a control character that is also a blank: it can't be written as cp1252
def test_tidying_twice_is_tidying_once(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@given(st.binary())
def test_every_line_can_be_stored(raw: bytes) -> None:
    assert "\0" not in storable(raw)


def test_spellings_of_one_name_are_the_same() -> None:
    assert same(tidy("  Soyuz\u00a0 2.1A ")) == same(tidy("SOYUZ 2.1a"))
    assert same("Ｆalcon") == same("falcon")
