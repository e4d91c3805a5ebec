"""The forty stacks: which exist, which are to come, and which one a user means by ``STACK=``."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from infra.errors import OrreryError
from infra.paths import ROOT, STACKS

LEVELS = ("Beginner", "Intermediate", "Advanced", "Expert", "Elite", "Ultimate", "Enterprise")


@dataclass(frozen=True)
class Source:
    """Where a stack's data comes from, and under which licence it may be used.

    Parameters
    ----------
    name, publisher, licence : str
        What it is, whose, and how it may be used.
    url : str
        Where it is: a page, or with `file` the file itself.
    size : str
        In words.
    file : str
        Under which name ``orrery data`` keeps it; empty for what no command can download.
    sha256 : str
        Of the file; empty where the publisher goes on changing it.
    """

    name: str
    publisher: str
    licence: str
    url: str = ""
    size: str = ""
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True, eq=False)  # there is one of each, and a table of settings can't be hashed
class StackInfo:
    """What ``stack.toml`` (or, for a stack to come, ``stacks/catalog.toml``) says.

    Parameters
    ----------
    id : str
        ``14_blackhole``, or ``signals/00_aurora`` in track 2.
    track : int
        1 or 2.
    title, domain, level, summary : str
        For the table; level is one of `LEVELS`, track 2 adds a plus.
    components : tuple of str
        The technologies it is made of.
    data : tuple of Source
        Where its data comes from.
    services, environments : tuple of str
        Local services (``infra/local``) and Python environments (``requirements``) that it needs.
    services_by : mapping
        Further local services by a setting and its value: ``{"warehouse": {"snowflake": ["snowflake"]}}``.
    planned : mapping
        Settings with which a plan without an account is made unless others are chosen, because what stands in
        ``settings`` needs a provider that can't be had everywhere (`infra.settings.for_plans`).
    fixed : tuple of str
        Settings that a deployment keeps until it is destroyed (`infra.settings.keep_fixed`).
    built : bool
        False for a stack that is to come.
    owner, data_class, cost_centre : str
        The values of the tags on everything that it deploys.
    accepted : tuple of mapping
        Policy findings that the stack lives with: ``check``, ``module`` (the instance) and ``reason``.
    settings : mapping
        The stack's own choices, such as a second cloud; its README says which there are.
    chosen : mapping
        Those of them that the command line names, or that a deployment remembers (`infra.settings`).
    """

    id: str
    track: int
    title: str
    domain: str
    level: str
    summary: str
    components: tuple[str, ...]
    data: tuple[Source, ...] = ()
    services: tuple[str, ...] = ()
    services_by: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    built: bool = False
    owner: str = "data-platform"
    data_class: str = "internal"
    cost_centre: str = "orrery"
    accepted: tuple[Mapping[str, str], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    planned: Mapping[str, Any] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()

    @property
    def needed_services(self) -> tuple[str, ...]:
        """The local services that it needs as it is set."""
        found = [each for name, by in self.services_by.items() for each in by.get(str(self.settings.get(name)), ())]
        return (*self.services, *found)

    @property
    def name(self) -> str:
        """The folder's own name, such as ``14_blackhole``."""
        return self.id.rpartition("/")[2]

    @property
    def number(self) -> str:
        """The two digits in front, as text."""
        return self.name.partition("_")[0]

    @property
    def word(self) -> str:
        """The name without its number, such as ``blackhole``."""
        return self.name.partition("_")[2]

    @property
    def slug(self) -> str:
        """The name for cloud resources: ``14-blackhole``, ``signals-00-aurora``."""
        return re.sub(r"[^a-z0-9]+", "-", self.id.lower())

    @property
    def path(self) -> Path:
        """The stack's folder."""
        return STACKS / self.id


@cache
def load() -> dict[str, StackInfo]:
    """Return all stacks by id, track 1 first, each in the order of its numbers.

    Raises
    ------
    OrreryError
        A ``stack.toml`` is missing a field, has one too many, or is not TOML.
    """
    found: dict[str, StackInfo] = {}
    for entry in _toml(STACKS / "catalog.toml")["stack"]:
        info = _info(entry.pop("id"), entry, built=False, file=STACKS / "catalog.toml")
        found[info.id] = info
    for file in [*STACKS.glob("[0-9]*_*/stack.toml"), *STACKS.glob("signals/[0-9]*_*/stack.toml")]:
        info = _info(file.parent.relative_to(STACKS).as_posix(), _toml(file), built=True, file=file)
        found[info.id] = info
    return dict(sorted(found.items(), key=lambda item: (item[1].track, item[0])))


def resolve(text: str) -> StackInfo:
    """Find the stack that a user means.

    Parameters
    ----------
    text : str
        ``14_blackhole``, ``14_BlackHole``, ``14``, ``blackhole``, ``signals/15`` …; a bare name means track 1,
        and track 2 only where track 1 has none of that name.

    Raises
    ------
    OrreryError
        Nothing or more than one fits; the error names the candidates.
    """
    wanted = text.strip().strip("/").lower().removeprefix("stacks/")
    stacks = load()
    if not wanted:
        raise OrreryError("no stack is named", next_step="say which, for example STACK=01_meteor; all: make list")
    for track in (1, 2):
        pool = [info for info in stacks.values() if info.track == track]
        fits = [info for info in pool if wanted in _spellings(info)]
        if len(fits) == 1:
            return fits[0]
        if len(fits) > 1:
            names = ", ".join(info.id for info in fits)
            raise OrreryError(f"{text!r} fits several stacks: {names}", next_step="use one of these names")
    spellings: dict[str, str] = {}
    for info in stacks.values():
        for spelling in _spellings(info):
            spellings.setdefault(spelling, info.id)  # track 1 comes first, as a bare name means it
    close = difflib.get_close_matches(wanted, list(spellings), n=6, cutoff=0.55)
    candidates = list(dict.fromkeys(spellings[name] for name in close))[:3]
    nearest = f"; nearest: {', '.join(candidates)}" if candidates else ""
    raise OrreryError(f"there is no stack {text!r}{nearest}", next_step="see all forty: make list")


def built(text: str) -> StackInfo:
    """Find a stack that can be deployed now; see `resolve`.

    Raises
    ------
    OrreryError
        No such stack, or it is still to come.
    """
    info = resolve(text)
    if not info.built:
        ready = ", ".join(each.id for each in load().values() if each.built)
        raise OrreryError(f"{info.id} is still to come", next_step=f"deploy one that is built: {ready}")
    return info


def as_markdown() -> str:
    """Return the table of forty that the README holds between its markers."""
    lines: list[str] = []
    for track, heading in ((1, "Track 1"), (2, "Track 2 · Python, dbt, Spark")):
        lines += [f"### {heading}", "", "| stack | domain · level | what it does | made of |", "|---|---|---|---|"]
        for info in load().values():
            if info.track != track:
                continue
            name = f"**[{info.id}](stacks/{info.id}/README.md)**" if info.built else info.id
            made_of = ", ".join(info.components)
            lines.append(f"| {name} | {info.domain} · {info.level} | {info.summary} | {made_of} |")
        lines.append("")
    count = sum(info.built for info in load().values())
    lines.append(f"Built so far: {count} of {len(load())} (in bold).")
    return "\n".join(lines)


def _spellings(info: StackInfo) -> set[str]:
    short = {info.name.lower(), info.number, info.word.lower(), info.slug}
    return short | {info.id.lower()} | {f"signals/{each}" for each in short if info.track == 2}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        where = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        raise OrreryError(f"cannot read {where}: {error}", next_step="mend the file") from error


def _info(stack_id: str, entry: Mapping[str, Any], *, built: bool, file: Path) -> StackInfo:
    try:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        fields["data"] = tuple(Source(**source) for source in entry.get("data", ()))
        return StackInfo(id=stack_id, built=built, chosen={}, **fields)
    except TypeError as error:
        reason = str(error).replace("StackInfo.__init__() ", "").replace("Source.__init__() ", "data: ")
        where = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        raise OrreryError(
            f"{where}, {stack_id}: {reason}", next_step="see CONTRIBUTING.md for the fields of stack.toml"
        ) from error
