"""As much of MySQL's protocol as the engine needs: log in with a password, and run statements.

Written out here, because the engine has no MySQL client, and every start asks whether the server is healthy. Only for
the local server: it knows no TLS, and a packet ends at 16 MB. https://mariadb.com/kb/en/clientserver-protocol/
"""

from __future__ import annotations

import hashlib
import socket
import struct
from types import TracebackType

LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE, PLUGIN = 0x1, 0x8, 0x200, 0x2000, 0x8000, 0x80000
UTF8MB4 = 45
QUERY, QUIT = b"\x03", b"\x01"
OK, SWITCH, END, ERROR = 0x00, 0xFE, 0xFE, 0xFF
METHOD = b"mysql_native_password"
LARGEST = (1 << 24) - 1
Row = tuple[str | None, ...]


class MySqlError(Exception):
    """The server refused something; `code` is its number, such as 1045 for a wrong password."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Connection:
    """A session with a server of this machine, which commits each statement.

    Parameters
    ----------
    host, port : str, int
        Where it listens.
    user, password : str
        Who logs in.
    database : str, optional
        The database that statements mean.
    timeout_s : float
        How many seconds an answer may take.

    Raises
    ------
    MySqlError
        The server refuses the login.
    OSError
        Nothing answers, or what answers is no MySQL.
    """

    def __init__(
        self, host: str, port: int, user: str, password: str, database: str = "", timeout_s: float = 30.0
    ) -> None:
        self._number = 0
        self._socket = socket.create_connection((host, port), timeout=timeout_s)
        try:
            self._log_in(user, password, database)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say good-bye."""
        try:
            self._send(QUIT, first=True)
        except OSError:
            pass
        finally:
            self._socket.close()

    def query(self, statement: str) -> list[Row]:
        """Run one statement, and return its rows as text; none for a statement without rows.

        Raises
        ------
        MySqlError
            The server refuses it.
        OSError
            The connection is gone.
        """
        self._send(QUERY + statement.encode(), first=True)
        head = self._receive()
        if head[0] == OK:
            return []
        count, _ = _length(head, 0)
        while not _is_end(self._receive()):
            pass  # the description of a column
        rows = []
        while not _is_end(data := self._receive()):
            rows.append(_row(data, count or 0))
        return rows

    def _log_in(self, user: str, password: str, database: str) -> None:
        greeting = self._receive()
        if greeting[0] != 10:
            raise OSError("what answers is no MySQL")
        at = greeting.index(b"\0", 1) + 1 + 4
        nonce, at = greeting[at : at + 8], at + 8 + 1 + 2 + 1 + 2 + 2
        nonce += greeting[at + 11 : at + 11 + 12]
        flags = LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE | PLUGIN | (CONNECT_WITH_DB if database else 0)
        proof = scramble(password, nonce)
        answer = struct.pack("<IIB23x", flags, LARGEST, UTF8MB4) + user.encode() + b"\0"
        answer += bytes([len(proof)]) + proof + (database.encode() + b"\0" if database else b"") + METHOD + b"\0"
        self._send(answer)
        reply = self._receive()
        if reply[0] == SWITCH:
            method, _, nonce = reply[1:].partition(b"\0")
            if method != METHOD:
                raise OSError(f"the server wants a login by {method.decode(errors='replace')}")
            self._send(scramble(password, nonce.rstrip(b"\0")))
            self._receive()

    def _send(self, data: bytes, *, first: bool = False) -> None:
        self._number = 0 if first else self._number
        self._socket.sendall(struct.pack("<I", len(data))[:3] + bytes([self._number]) + data)
        self._number = (self._number + 1) % 256

    def _receive(self) -> bytes:
        head = self._exactly(4)
        self._number = (head[3] + 1) % 256
        data = self._exactly(int.from_bytes(head[:3], "little"))
        if not data:
            raise OSError("an empty answer: what answers is no MySQL")
        if data[0] == ERROR:
            (code,) = struct.unpack_from("<H", data, 1)
            text = data[3:].decode(errors="replace")
            raise MySqlError(code, text[6:] if text.startswith("#") else text)
        return data

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise OSError("it hangs up")
            data += piece
        return data


def scramble(password: str, nonce: bytes) -> bytes:
    """Return the proof that we know a password, by the method ``mysql_native_password``."""
    if not password:
        return b""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    mask = hashlib.sha1(nonce + twice, usedforsecurity=False).digest()
    return bytes(left ^ right for left, right in zip(once, mask, strict=True))


def _is_end(data: bytes) -> bool:
    return data[0] == END and len(data) < 9


def _row(data: bytes, count: int) -> Row:
    values: list[str | None] = []
    at = 0
    for _ in range(count):
        size, at = _length(data, at)
        if size is None:
            values.append(None)
            continue
        values.append(data[at : at + size].decode(errors="replace"))
        at += size
    return tuple(values)


def _length(data: bytes, at: int) -> tuple[int | None, int]:
    """Return a number of variable size, or nothing for null, and where the next value begins."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    if first == 0xFB:
        return None, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size
