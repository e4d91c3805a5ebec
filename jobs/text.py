"""Text as people meant it: decoding per value, repair of mojibake where nothing is lost, tidy blanks."""

from __future__ import annotations

import re
import unicodedata

_CP1252_HOLES = {chr(byte): bytes([byte]) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
_CONTINUATIONS = "".join(_CP1252_HOLES) + bytes(set(range(0x80, 0xC0)) - {0x81, 0x8D, 0x8F, 0x90, 0x9D}).decode(
    "cp1252"
)
_SUSPICIOUS = re.compile(f"[\u00c2-\u00f4][{re.escape(_CONTINUATIONS)}]")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_TOUCHING = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")


def decode(raw: bytes) -> str:
    """Decode one value: as UTF-8, else cp1252, else latin-1 (which takes every byte).

    Files that several people saved hold several encodings, so the decision is made per value, not per file.
    """
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def repair(text: str) -> str:
    """Undo a wrong decoding, where that is certain and loses nothing; otherwise return ``text`` as it is.

    Three cases are known from published files:

    * UTF-8 that was read as cp1252 (``ArmÃ©e``): the characters, written as cp1252, are valid UTF-8.
    * UTF-8 that was read as cp1251 (``MДЃhia``): the characters, written as cp1251, are valid UTF-8.
    * cp1252 that was read as cp1251 (``Armйe``): Cyrillic letters touch Latin ones, and none is left behind
      the repair. Cyrillic words stay.

    Each repair can be turned back into ``text`` byte for byte. A character that was replaced by ``?`` is
    lost: it stays.
    """
    while not text.isascii():
        better = _from_cp1252(text) or _from_cp1251(text)
        if better is None:
            break
        text = better
    return text


def _from_cp1252(text: str) -> str | None:
    if not _SUSPICIOUS.search(text):  # a first and a second byte of UTF-8; nearly all texts are done here
        return None
    try:
        better = b"".join(_CP1252_HOLES.get(char) or char.encode("cp1252") for char in text).decode("utf-8")
    except UnicodeError:
        return None
    return better if better != text and _visible(better) else None


def _from_cp1251(text: str) -> str | None:
    if not _CYRILLIC.search(text):
        return None
    try:
        raw = text.encode("cp1251")
    except UnicodeError:
        return None
    try:
        return raw.decode("utf-8")  # text that was Cyrillic from the start is never valid UTF-8 by chance
    except UnicodeDecodeError:
        better = decode(raw)
    return better if _TOUCHING.search(text) and not _CYRILLIC.search(better) and _visible(better) else None


def _visible(text: str) -> bool:
    """Whether ``text`` hides no control character: one that a repair brings up shows a wrong guess."""
    return not any(unicodedata.category(char) == "Cc" for char in text)


def tidy(text: str) -> str:
    """Return ``text`` repaired, in Unicode's composed form, with single blanks and none at the ends."""
    while not text.isascii():
        better = " ".join(unicodedata.normalize("NFC", repair(text)).split())
        if better == text:
            return text
        text = better  # a blank that is gone may have hidden a wrong decoding
    return " ".join(text.split())


def same(text: str) -> str:
    """Return the form in which two spellings of one name are equal: no case, no compatibility variants."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def storable(raw: bytes) -> str:
    """Decode a raw line for keeping in a database: readable, and without NUL, which PostgreSQL refuses."""
    return decode(raw).replace("\0", "\u2400")
