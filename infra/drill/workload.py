"""The load of a drill: what a stack's clients do, and the fleet that does it at a set rate."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from infra.drill.journal import Call, Journal
from infra.drill.resolver import Resolver

ATTEMPTS = 3
"""How often a client asks for the name and tries before it gives a call up."""


PAUSE_S = 0.1
"""How long it waits after the first failure; after the second, twice as long."""


class Failed(Exception):
    """A request that was not acknowledged; the text says why, in a word: ``refused``, ``timeout``, ``503``."""


@dataclass(frozen=True)
class Found:
    """What a region holds of a key.

    Parameters
    ----------
    seq : int
        The write that it comes from.
    version : int
        How many writes the store has counted.
    mixed : bool
        Whether it is made of parts of different writes.
    """

    seq: int
    version: int = 0
    mixed: bool = False


class Workload(Protocol):
    """What a stack must be able to do in a drill; ``stack.toml`` names the class under ``[drill]``.

    It is made with what the engine knows of the deployed stack (`infra.drill.main.Context`).
    """

    def write(self, path: str, region: str, key: str, seq: int) -> None:
        """Write a key in a region; raise `Failed` unless it was acknowledged."""

    def read(self, path: str, region: str, key: str) -> int:
        """Return the write that a region shows of a key, -1 for none; raise `Failed` where it doesn't answer."""

    def content(self, region: str, keys: Sequence[str]) -> Mapping[str, Found]:
        """Return what a region holds, through the operator's door, which no fault closes."""

    def healthy(self, region: str, timeout_s: float) -> bool:
        """Ask a region's health check, as Route 53 does."""

    def remove(self, keys: Sequence[str]) -> None:
        """Remove what the drill wrote."""


@dataclass(frozen=True)
class Plan:
    """Who the clients are.

    Parameters
    ----------
    seed : int
        Decides keys, order and times.
    homes : sequence of str
        The regions; clients are spread over them.
    writes_per_s : mapping
        By path: how many writes all clients make together.
    clients : mapping
        By path: how many clients.
    keys : int
        How many keys each client owns: nobody else writes them, so that each has one history.
    read_share : float
        Reads for each write.
    """

    seed: int
    homes: Sequence[str]
    writes_per_s: Mapping[str, float]
    clients: Mapping[str, int]
    keys: int = 20
    read_share: float = 0.25


class Fleet:
    """Clients, a thread each, that write and read their own keys through the public name.

    Parameters
    ----------
    plan : Plan
        Who they are.
    workload : Workload
        What they do.
    resolver : Resolver
        How they find a region.
    journal : Journal
        Where each call is noted.
    """

    def __init__(self, plan: Plan, workload: Workload, resolver: Resolver, journal: Journal) -> None:
        self.plan, self.workload, self.resolver, self.journal = plan, workload, resolver, journal
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._live, args=each, name=each[0], daemon=True) for each in self._clients()
        ]

    def _clients(self) -> list[tuple[str, str, str, float]]:
        """Return name, home, path and rate of each client."""
        found = []
        for path, count in sorted(self.plan.clients.items()):
            for number in range(count):
                home = self.plan.homes[number % len(self.plan.homes)]
                found.append((f"{path}-{number:02d}", home, path, self.plan.writes_per_s[path] / count))
        return found

    @property
    def keys(self) -> list[str]:
        """All keys that the clients own."""
        return [key for name, *_ in self._clients() for key in self.keys_of(name)]

    def keys_of(self, client: str) -> list[str]:
        """Return the keys that a client owns."""
        return [f"drill-{self.plan.seed}-{client}-{number:02d}" for number in range(self.plan.keys)]

    @property
    def stopped(self) -> bool:
        """Whether the clients were told to stop."""
        return self._stop.is_set()

    def start(self) -> None:
        """Let all clients begin."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Let each client end its present call, and wait for that."""
        self._stop.set()
        for each in self._threads:
            if each.ident is not None:
                each.join(timeout=60)

    def _live(self, name: str, home: str, path: str, rate: float) -> None:
        """Be one client: a call is due whatever became of the one before, so that a slow region builds a queue."""
        generator = random.Random(f"{self.plan.seed} {name}")
        keys, seqs = self.keys_of(name), dict.fromkeys(self.keys_of(name), 0)
        client = self.resolver.client(home)
        due = time.time() + generator.random() / rate
        while not self._stop.wait(max(0.0, due - time.time())):
            key = generator.choice(keys)
            if seqs[key] and generator.random() < self.plan.read_share / (1 + self.plan.read_share):
                self._call(client, due, name, home, path, "read", key, 0)
            else:
                seqs[key] += 1
                self._call(client, due, name, home, path, "write", key, seqs[key])
            due += generator.expovariate(rate * (1 + self.plan.read_share))

    def _call(self, client: Any, due: float, name: str, home: str, path: str, action: str, key: str, seq: int) -> None:
        status, region, tries = "", "", 0
        while tries < ATTEMPTS and status != "ok":
            region, tries = client.region(), tries + 1
            try:
                if action == "write":
                    self.workload.write(path, region, key, seq)
                else:
                    seq = self.workload.read(path, region, key)
                status = "ok"
            except Failed as failure:
                status = str(failure)
                self._stop.wait(PAUSE_S * tries)
        took = time.time() - due
        self.journal.call(Call(due, took, name, home, path, action, key, seq, region, status == "ok", status, tries))
