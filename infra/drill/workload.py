"""The load of a drill: what a stack's clients do, and the fleet that does it at a set rate."""

from __future__ import annotations

import math
import random
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from infra.drill.journal import Call, Journal
from infra.drill.resolver import Resolver

ATTEMPTS = 3
"""How often a client asks for the name and tries before it gives a call up."""


PAUSE_S = 0.1
"""How long it waits after the first failure; after the second, twice as long."""


TRIAL_S = 1.0
"""How long each path is tried, to learn how much it carries."""
HEADROOM = 0.5
"""The share of what the local cloud carries that a drill's clients ask of it."""


class Failed(Exception):
    """A request that was not acknowledged; the text says why, in a word: ``refused``, ``timeout``, ``503``."""


class Late(Failed):
    """A write that was refused because something newer is there."""


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


@dataclass(frozen=True)
class Person:
    """A client: its name, the region that is nearest to it, its path, and its number on that path."""

    name: str
    home: str
    path: str
    number: int


SHARED_KEYS = 5
"""How many keys the clients of a shared path write, all of them."""


class Workload(Protocol):
    """What a stack must be able to do in a drill; ``stack.toml`` names the class under ``[drill]``.

    It is made with what the engine knows of the deployed stack (`infra.drill.ground.Context`).
    """

    guarded: str
    """The path on which a fenced region refuses writes."""

    def write(self, path: str, region: str, key: str, seq: int) -> None:
        """Write a key in a region; raise `Failed` unless it was acknowledged, `Late` where something newer is there."""

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
    shared : collection of str
        The paths whose clients all write the same few keys: for conflicts.
    keys : int
        How many keys each client owns: nobody else writes them, so that each has one history.
    read_share : float
        Reads for each write.
    """

    seed: int
    homes: Sequence[str]
    writes_per_s: Mapping[str, float]
    clients: Mapping[str, int]
    shared: Collection[str] = ()
    keys: int = 20
    read_share: float = 0.25

    def people(self) -> list[Person]:
        """Return the clients: they are spread over the regions."""
        return [
            Person(f"{path}-{number:02d}", self.homes[number % len(self.homes)], path, number)
            for path, count in sorted(self.clients.items())
            for number in range(count)
        ]

    def keys_of(self, person: Person) -> list[str]:
        """Return the keys that a client writes: its own, or those of its path."""
        if person.path in self.shared:
            return [f"drill-{self.seed}-{person.path}-{number:02d}" for number in range(SHARED_KEYS)]
        return [f"drill-{self.seed}-{person.name}-{number:02d}" for number in range(self.keys)]

    @property
    def every_key(self) -> list[str]:
        """All keys that the clients write."""
        return list(dict.fromkeys(key for each in self.people() for key in self.keys_of(each)))

    def trial_key(self, person: Person) -> str:
        """Return the key that a client tries the store with."""
        return f"drill-{self.seed}-{person.path}-trial-{person.number:02d}"

    def seq(self, person: Person, count: int) -> int:
        """Return the number of a client's write: of a shared key, no two clients give the same."""
        return count * self.clients[person.path] + person.number if person.path in self.shared else count


def planned(seed: int, homes: Sequence[str], load: Mapping[str, Mapping[str, Any]], rates: Mapping[str, float]) -> Plan:
    """Return who the clients are, as a stack's ``[settings.drill.load]`` says; rates are what it says unless given."""
    return Plan(
        seed,
        homes,
        rates or {path: float(each["writes_per_s"]) for path, each in load.items()},
        {path: int(each["clients"]) for path, each in load.items()},
        [path for path, each in load.items() if each.get("shared")],
    )


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
            threading.Thread(target=self._live, args=(each,), name=each.name, daemon=True) for each in plan.people()
        ]

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

    def _live(self, person: Person) -> None:
        """Be one client: a call is due whatever became of the one before, so that a slow region builds a queue."""
        generator = random.Random(f"{self.plan.seed} {person.name}")
        keys = self.plan.keys_of(person)
        counts = dict.fromkeys(keys, 0)
        client = self.resolver.client(person.home)
        rate = self.plan.writes_per_s[person.path] / self.plan.clients[person.path]
        due = time.time() + generator.random() / rate
        while not self._stop.wait(max(0.0, due - time.time())):
            key = generator.choice(keys)
            if counts[key] and generator.random() < self.plan.read_share / (1 + self.plan.read_share):
                self._call(client, due, person, "read", key, 0)
            else:
                counts[key] += 1
                self._call(client, due, person, "write", key, self.plan.seq(person, counts[key]))
            due += generator.expovariate(rate * (1 + self.plan.read_share))

    def _call(self, client: Any, due: float, who: Person, action: str, key: str, seq: int) -> None:
        status, region, tries = "", "", 0
        while tries < ATTEMPTS and status != "ok":
            region, tries = client.region(), tries + 1
            try:
                if action == "write":
                    self.workload.write(who.path, region, key, seq)
                else:
                    seq = self.workload.read(who.path, region, key)
                status = "ok"
            except Failed as failure:
                status = str(failure)
                self._stop.wait(PAUSE_S * tries)
        took = time.time() - due
        done = status == "ok"
        self.journal.call(Call(due, took, who.name, who.home, who.path, action, key, seq, region, done, status, tries))


def carried(plan: Plan, workload: Workload, seconds: float = TRIAL_S, most: float = 0) -> dict[str, float]:
    """Learn how many writes a second each path carries: for a moment, all its clients write as fast as they can.

    Parameters
    ----------
    plan : Plan
        Who the clients are.
    workload : Workload
        What they do.
    seconds : float
        How long each path is tried.
    most : float
        At most so many times the wanted writes are tried, where each one is paid; 0 is as many as it carries.

    Returns
    -------
    dict
        Acknowledged writes a second, by path.
    """
    found = {}
    for path in plan.clients:
        people, began = [each for each in plan.people() if each.path == path], time.monotonic()
        counts = dict.fromkeys(people, 0)
        enough = math.ceil(most * plan.writes_per_s[path] * seconds / len(people)) if most else sys.maxsize

        def write(
            person: Person, counts: dict[Person, int] = counts, began: float = began, enough: int = enough
        ) -> None:
            for number in range(1, enough + 1):
                if time.monotonic() - began > seconds:
                    return
                with suppress(Failed):
                    workload.write(person.path, person.home, plan.trial_key(person), plan.seq(person, number))
                    counts[person] += 1

        threads = [threading.Thread(target=write, args=(each,), daemon=True) for each in people]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        found[path] = sum(counts.values()) / (time.monotonic() - began)
    return found


def affordable(most: Mapping[str, float], carries: Mapping[str, float]) -> dict[str, float]:
    """Return the rates that leave headroom: the wanted ones, or less of each where they would ask too much together.

    Parameters
    ----------
    most : mapping
        The wanted writes a second, by path.
    carries : mapping
        What each path carries alone.
    """
    asked = sum(most[path] / max(carries[path], 1e-9) for path in most)
    factor = min(1.0, HEADROOM / asked)
    return {path: round(rate * factor, 3) for path, rate in most.items()}
