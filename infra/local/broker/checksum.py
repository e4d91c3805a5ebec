"""The Castagnoli checksum of batches, and what it becomes when the broker writes its own time into one."""

from __future__ import annotations

import struct

_POLYNOMIAL = 0x82F63B78
_ATTRIBUTES, _LATEST, _HEADER_END = (
    21,
    35,
    43,
)  # where they begin in a batch; the checksum is about all from the first on
_LOG_APPEND_TIME = 0x08


def _table() -> list[int]:
    found = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (_POLYNOMIAL if number & 1 else 0)
        found.append(number)
    return found


_CRC = _table()


def crc32c(data: bytes) -> int:
    """Return the Castagnoli checksum of some bytes.

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return _remainder(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def appended_at(batch: bytes, now_ms: int) -> bytes:
    """Return a batch as Kafka keeps it where the time of appending counts.

    Parameters
    ----------
    batch : bytes
        A whole one, of version 2.
    now_ms : int
        The broker's clock, in milliseconds since 1970.

    Returns
    -------
    bytes
        The same records; readers take the batch's last time as the time of each. A wrong checksum stays wrong.
    """
    (old, attributes) = struct.unpack_from(">Ih", batch, _ATTRIBUTES - 4)
    head = (
        struct.pack(">h", attributes | _LOG_APPEND_TIME) + batch[_ATTRIBUTES + 2 : _LATEST] + struct.pack(">q", now_ms)
    )
    # Checksums are linear: what is added to this one follows from the bytes that change, and how many come after them.
    changed = bytes(a ^ b for a, b in zip(head, batch[_ATTRIBUTES:_HEADER_END], strict=True))
    new = old ^ _followed_by_zeros(_remainder(changed, 0), len(batch) - _HEADER_END)
    return batch[: _ATTRIBUTES - 4] + struct.pack(">I", new) + head + batch[_HEADER_END:]


def _remainder(data: bytes, value: int) -> int:
    for byte in data:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
    return value


def _product(one: int, other: int) -> int:
    """Multiply two polynomials over GF(2), the highest bit being the constant, and take the remainder."""
    found = 0
    while one:
        if one & 0x80000000:
            found ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return found


def _powers() -> list[int]:
    """Return what 1, 2, 4, … bytes of zeros multiply a remainder by."""
    found = [0x80000000 >> 8]
    for _ in range(31):
        found.append(_product(found[-1], found[-1]))
    return found


_ZEROS = _powers()


def _followed_by_zeros(value: int, count: int) -> int:
    """Return the remainder after so many bytes of zeros; a loop over them would take as long as the batch is large."""
    for power in range(count.bit_length()):
        if count >> power & 1:
            value = _product(value, _ZEROS[power])
    return value
