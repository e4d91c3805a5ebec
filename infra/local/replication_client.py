"""Sets and reads replication between the local AWS's regions from outside: for drills, tests and the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from infra.errors import OrreryError
from infra.local.fault_client import ask
from infra.local.replication import ADDRESS, PACES, Pace, pace_from


def named(name: str) -> dict[str, Pace]:
    """Return the paces of a name: fast, public or off."""
    if name not in PACES:
        raise OrreryError(f"there is no pace {name!r}", next_step=f"use one of: {', '.join(PACES)}")
    return PACES[name]


class ReplicationClient:
    """Replication in one running gateway.

    Parameters
    ----------
    url : str
        The main address of the local AWS.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def show(self) -> dict[str, Any]:
        """Return the paces, what is on its way from where to where, and how many writes arrived, lost, failed."""
        return self._ask("GET")

    def pending(self) -> list[dict[str, Any]]:
        """Return each write on its way: service, source, target, place, key, when it was written and is due."""
        found: list[dict[str, Any]] = self._ask("GET", "/pending")["pending"]
        return found

    def set(self, paces: Mapping[str, Pace]) -> None:
        """Set some services' paces for the writes that come; seeds begin anew."""
        self._ask("PUT", document={service: asdict(pace) for service, pace in paces.items()})

    def reset(self) -> None:
        """Set the usual paces."""
        self._ask("DELETE")

    @contextmanager
    def held(self, paces: Mapping[str, Pace]) -> Iterator[None]:
        """Set paces while a block runs, and put back those that were there."""
        before = {service: pace_from(table) for service, table in self.show()["paces"].items()}
        self.set(paces)
        try:
            yield
        finally:
            self.set(before)

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until nothing is on its way.

        Raises
        ------
        OrreryError
            Something still is.
        """
        deadline = time.monotonic() + seconds
        while left := self.show()["links"]:
            if time.monotonic() > deadline:
                raise OrreryError(
                    f"{sum(each['writes'] for each in left)} writes are still on their way after {seconds:.0f} s",
                    next_step="./orrery replication show; ./orrery fault list",
                )
            time.sleep(0.05)

    def _ask(self, method: str, path: str = "", document: Any = None) -> dict[str, Any]:
        status, found = ask(self.url, method, ADDRESS + path, document)
        if status >= 400:
            raise OrreryError(f"replication: {found.get('error')}", next_step="see docs/replication.md")
        return found
