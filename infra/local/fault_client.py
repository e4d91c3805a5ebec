"""Sets faults from outside: for drills, tests and the command line.

A drill holds its faults: they are renewed while its block runs, removed when it ends, fails or is interrupted, and end
by themselves when it is killed.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.errors import OrreryError
from infra.local import aws_faults, faults
from infra.local.faults import Fault, Front, Mistake
from infra.local.service import REGIONS
from infra.signals import sigterm_raises

AWS = Front(aws_faults.SERVICES, REGIONS, aws_faults.ALIASES, aws_faults.OPERATIONS, links=aws_faults.LINKS)
"""What stands in front of the local AWS."""


def from_file(path: Path, front: Front = AWS) -> list[Fault]:
    """Read a definition file; what is wrong is said before anything is set.

    Raises
    ------
    OrreryError
        With file, line and reason of the first mistake; the others are its details.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise OrreryError(
            f"{path}: {error}", next_step="name a file of [[fault]] tables; see docs/faults.md"
        ) from error
    try:
        return faults.from_toml(text, str(path), front)
    except Mistake as error:
        more = f" (and {len(error.others)} more: --verbose)" if error.others else ""
        raise OrreryError(
            f"{error}{more}", next_step="mend it; docs/faults.md has the format", details="\n".join(error.others)
        ) from error


def from_options(options: dict[str, Any], front: Front = AWS) -> Fault:
    """Make a fault from what a command line says."""
    try:
        return faults.from_table(options, front)
    except Mistake as error:
        option = f"--{error.key.replace('_', '-')}: " if error.key else ""
        raise OrreryError(f"{option}{error}", next_step="see ./orrery fault set --help, or docs/faults.md") from error


def latency_value(text: str) -> Any:
    """Return what a definition has for a latency of the command line: ``200``, or ``median=100,p95=400``."""
    try:
        if "=" not in text:
            return float(text)
        return {name.strip(): float(value) for name, value in (each.split("=") for each in text.split(","))}
    except ValueError:
        return text  # the definition's own check says what is wrong


class FaultClient:
    """The faults of one running front.

    Parameters
    ----------
    url : str
        The main address of the local AWS, or the control address of a TCP proxy.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def front(self) -> Front:
        """Return what is running there, to check definitions against."""
        told = (self._ask("GET", "") or {})["front"]
        return AWS if told["http"] else Front(frozenset(told["services"]), http=False)

    def set(self, owner: str, wanted: Sequence[Fault], lease_s: float | None = None) -> None:
        """Set an owner's faults in place of those that it had; without a lease they stay until they are cleared.

        Raises
        ------
        OrreryError
            The front refuses them, or doesn't answer; then nothing is changed.
        """
        tables = [fault.as_table() for fault in wanted]
        self._ask("PUT", f"/{owner}", {"faults": tables, "lease_s": lease_s})

    def renew(self, owner: str, lease_s: float) -> bool:
        """Begin an owner's lease anew; False when its faults have ended."""
        return self._ask("POST", f"/{owner}", {"lease_s": lease_s}) is not None

    def clear(self, owner: str = "") -> list[str]:
        """End an owner's faults, all faults by default; return whose there were."""
        cleared: list[str] = (self._ask("DELETE", f"/{owner}" if owner else "") or {})["cleared"]
        return cleared

    def list(self) -> list[dict[str, Any]]:
        """Return who set what, when it ends, and how many calls each fault met and struck."""
        holdings: list[dict[str, Any]] = (self._ask("GET", "") or {})["holdings"]
        return holdings

    @contextmanager
    def held(self, wanted: Sequence[Fault], owner: str = "drill", lease_s: float = 10.0) -> Iterator[Held]:
        """Set faults for as long as a block runs.

        They go when the block ends or raises, on Ctrl-C and on SIGTERM (in the main thread, where nobody else
        handles it: it becomes ``SystemExit(143)``). When the process is killed, they go with the lease.

        Parameters
        ----------
        wanted : sequence of Fault
            May be empty, for a drill that begins without; see `Held.set`.
        owner : str
            A name to show; what makes it this process's own is added.
        lease_s : float
            How long they may outlive a killed process.

        Raises
        ------
        OrreryError
            The front refuses them; or they ended while the block ran, so that what it measured means nothing.
        """
        held = Held(self, f"{owner}-{os.getpid()}-{secrets.token_hex(2)}", lease_s)
        with sigterm_raises():
            try:
                held.set(wanted)
                held.begin()
                yield held
                held.check()
            finally:
                held.end()

    def _ask(self, method: str, path: str, document: Any = None) -> dict[str, Any] | None:
        """Call the front; None says that there is no such owner."""
        status, found = ask(self.url, method, faults.ADDRESS + path, document)
        if status == 404:
            return None
        if status >= 400:
            raise OrreryError(f"the fault is refused: {found.get('error')}", next_step="see docs/faults.md")
        return found


def ask(url: str, method: str, path: str, document: Any = None) -> tuple[int, dict[str, Any]]:
    """Call an address of the gateway's own, and return its status and its answer."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    try:
        connection.request(method, path, json.dumps(document) if document is not None else None)
        response = connection.getresponse()
        found: dict[str, Any] = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OrreryError(f"{url} does not answer: {error}", next_step="run 'make up' and try again") from error
    finally:
        connection.close()
    return response.status, found


class Held:
    """Faults that this process holds; `FaultClient.held` makes it."""

    def __init__(self, client: FaultClient, owner: str, lease_s: float) -> None:
        self.client = client
        self.owner = owner
        self.lease_s = lease_s
        self.lost = threading.Event()
        """Set when the faults ended although they were held."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._renewer = threading.Thread(target=self._renew, name=f"renew {owner}", daemon=True)

    def set(self, wanted: Sequence[Fault]) -> None:
        """Replace the faults, all at once: the next step of a drill. None is fine."""
        with self._lock:
            self.client.set(self.owner, wanted, self.lease_s)

    def check(self) -> None:
        """Raise where the faults have ended meanwhile."""
        if self.lost.is_set():
            raise OrreryError(
                f"the faults of {self.owner} ended while they were needed: nobody could renew them",
                next_step="run it again on a quieter machine, or with a longer lease",
            )

    def begin(self) -> None:
        """Renew from now on."""
        self._renewer.start()

    def end(self) -> None:
        """Stop renewing and remove the faults; where the front is gone, the lease ends them."""
        self._stop.set()
        if self._renewer.ident is not None:
            self._renewer.join()
        try:
            self.client.clear(self.owner)
        except OrreryError:
            return

    def _renew(self) -> None:
        while not self._stop.wait(self.lease_s / 4):
            try:
                with self._lock:
                    alive = self.client.renew(self.owner, self.lease_s)
            except OrreryError:
                continue  # it may be starting again, and then it remembers what was set
            if not alive:
                self.lost.set()
                return
