"""What a picture shows, read from the synthesised stack: boxes, the frames they stand in, arrows between them.

Which input of a module means which arrow is said once, in the table ``[picture]`` of its ``module.toml``
(CONTRIBUTING.md describes it). A module without the table is a plain box.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from infra import modules
from infra.errors import OrreryError

KINDS = {
    "request": "requests",
    "trigger": "triggers",
    "data": "data",
    "replication": "replication",
    "failure": "failed events",
    "alarm": "alarms",
}
"""The kinds of arrows, in the order in which they are laid out, and what the legend calls them."""

MARKS = {
    "encrypted": ("key", "encrypted with a customer key"),
    "private": ("network", "in a private network"),
    "watched": ("bell", "watched by alarms"),
}
"""What a box is marked with instead of an arrow: icon and meaning."""

CLOUDS = {"azurerm": "Azure", "google": "Google Cloud"}
"""The frame's name for providers other than AWS, where capitalising the provider's name is not enough."""

Heads = Literal["end", "start", "both"]

_REFERENCE = re.compile(r"\bmodule\.(\w+)\.(\w+)")
_READS = re.compile(r"(BatchGet|Change|Decrypt|Describe|Get|Head|List|Query|Receive|Scan|Select)|DeleteMessage")
_STARTS = re.compile(r"(Invoke|Start)")


@dataclass(frozen=True)
class Box:
    """One module instance, or its replica in another region.

    Parameters
    ----------
    id : str
        Unique within the picture.
    title, label : str
        Its name in the stack, and what it is.
    icon : str
        One of `infra.graph.icons.ICONS`.
    frame : str
        The region or cloud that it stands in; empty for what is global.
    marks : tuple of str
        Some of `MARKS`.
    replica : bool
        Whether it is another box's copy.
    aside : bool
        Whether it serves the others (keys, networks) and stands below them.
    """

    id: str
    title: str
    label: str
    icon: str = "box"
    frame: str = ""
    marks: tuple[str, ...] = ()
    replica: bool = False
    aside: bool = False


@dataclass(frozen=True, order=True)
class Arrow:
    """An arrow of one of `KINDS` between two boxes; `heads` says at which ends it points at something."""

    kind: str
    source: str
    target: str
    heads: Heads = "end"


@dataclass(frozen=True)
class Picture:
    """All that is drawn, in an order that depends on names alone."""

    title: str
    summary: str
    frames: tuple[str, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


@dataclass(frozen=True)
class Drawing:
    """A module's ``[picture]`` table.

    Parameters
    ----------
    icon, label : str
        How its box looks.
    arn : str
        The service in its ARNs, by which the grants of functions name it.
    marks : str
        One of `MARKS`, worn by each box that is handed one of this module's outputs: no arrow then.
    connect : tuple of str
        The outputs that are passed to those who read and write it without a grant, such as a database's host.
    between : tuple of str
        Two inputs: the module is no box but a replication arrow between the boxes that these name.
    scope : str
        ``region``, or ``global`` for what stands outside of the regions.
    inputs : mapping
        For an input that leads to other modules, what it means: ``<kind> in|out`` (or ``both``, of data and
        replication), ``grants`` (or a map of objects that hold some), ``connect``, ``replicas out|both`` (a map from
        region to key), ``mark <mark>`` (this box), ``marks <mark>`` (the other).
    """

    icon: str = "box"
    label: str = ""
    arn: str = ""
    marks: str = ""
    connect: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    scope: str = "region"
    inputs: Mapping[str, str] = field(default_factory=dict)


def drawing(interface: modules.Interface) -> Drawing:
    """Read and check a module's ``[picture]`` table.

    Raises
    ------
    OrreryError
        It holds what no picture knows.
    """
    from infra.graph.icons import ICONS

    meanings = {"grants", "connect", "replicas out", "replicas both"}
    meanings |= {f"{kind} {way}" for kind in KINDS for way in ("in", "out")} | {"data both", "replication both"}
    meanings |= {f"{word} {mark}" for word in ("mark", "marks") for mark in MARKS}
    facts: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in interface.picture.items()
    }
    try:
        found = Drawing(**facts)
    except TypeError as error:
        raise _wrong(interface, str(error).replace("Drawing.__init__() ", "")) from error
    given = [
        ("icon", {found.icon}, set(ICONS)),
        ("mark", {found.marks} - {""}, set(MARKS)),
        ("scope", {found.scope}, {"region", "global"}),
        ("output", set(found.connect), set(interface.outputs)),
        ("variable", {*found.between, *found.inputs}, set(interface.variables)),
        ("meaning", set(found.inputs.values()), meanings),
    ]
    for what, used, known in given:
        for each in sorted(used - known):
            raise _wrong(interface, f"there is no {what} {each!r}{modules.nearest(each, sorted(known))}")
    return replace(found, label=found.label or interface.name.replace("_", " "))


def read(configuration: Mapping[str, Any], title: str, summary: str) -> Picture:
    """Read a picture from a stack's Terraform configuration.

    Parameters
    ----------
    configuration : mapping
        The content of ``main.tf.json``; see `infra.stack.create`.
    title, summary : str
        What the picture says of itself.

    Raises
    ------
    OrreryError
        A module's ``[picture]`` table is wrong.
    """
    return _Reader(configuration).picture(title, summary)


def _wrong(interface: modules.Interface, what: str) -> OrreryError:
    return OrreryError(
        f"modules/{interface.name}/module.toml, [picture]: {what}",
        next_step="see CONTRIBUTING.md: how a module is drawn",
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a map that is written out; of one that only Terraform knows, nothing can be drawn."""
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> Iterator[str]:
    """Yield every string inside a value, in an order that depends on keys alone."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _texts(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


class _Reader:
    """Collects boxes, marks and arrows while it goes through the modules of one configuration."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._blocks: Mapping[str, Mapping[str, Any]] = dict(sorted(configuration.get("module", {}).items()))
        self._regions = {
            f"aws.{each['alias']}" if "alias" in each else "aws": each["region"]
            for each in configuration["provider"]["aws"]
        }
        self._interfaces = {name: _interface(block) for name, block in self._blocks.items()}
        self._drawings = {name: drawing(interface) for name, interface in self._interfaces.items()}
        self._boxes: dict[str, Box] = {}
        self._marks: set[tuple[str, str]] = set()
        self._heads: dict[tuple[str, str, str], set[Heads]] = {}

    def picture(self, title: str, summary: str) -> Picture:
        """Read everything."""
        for name in self._blocks:
            if not self._drawings[name].between:
                self._add_boxes(name)
        for name, block in self._blocks.items():
            shown = self._drawings[name]
            if shown.between:
                one, other = (
                    [box for box in self._referenced(block[key], "") if not self._boxes[box].aside]
                    for key in shown.between
                )
                self._join(one, other, "replication", "both")
                continue
            for key in self._interfaces[name].variables:
                if key in block:
                    self._read_input(name, block[key], shown.inputs.get(key, ""))
        frames = [*self._regions.values(), *sorted(CLOUDS.values())]
        used = {box.frame for box in self._boxes.values()} - {""}
        others = sorted(used - set(frames))
        return Picture(
            title,
            summary,
            tuple(each for each in [*frames, *others] if each in used),
            tuple(
                replace(box, marks=tuple(mark for mark in MARKS if (box.id, mark) in self._marks))
                for _, box in sorted(self._boxes.items())
            ),
            tuple(sorted(self._arrows())),
        )

    def _add_boxes(self, name: str) -> None:
        """Add a module's box, and one for each replica that its inputs ask for."""
        shown, interface, block = self._drawings[name], self._interfaces[name], self._blocks[name]
        frame = self._regions[block.get("providers", {}).get("aws", "aws")]
        if interface.provider != "aws":
            frame = CLOUDS.get(interface.provider, interface.provider.capitalize())
        if shown.scope == "global":
            frame = ""
        title = name.replace("_", " ")
        self._boxes[name] = Box(name, title, shown.label, shown.icon, frame, aside=bool(shown.marks))
        for key, meaning in shown.inputs.items():
            if meaning.startswith("replicas"):
                for region in _mapping(block.get(key)):
                    copy = f"{name}@{region}"
                    self._boxes[copy] = Box(copy, title, "replica", shown.icon, region, replica=True)

    def _read_input(self, name: str, value: Any, meaning: str) -> None:
        word, _, rest = meaning.partition(" ")
        heads: Heads = "both" if rest == "both" else "end"
        if word == "grants":
            given = _mapping(value)  # or jobs, of which each has grants of its own
            jobs = [each for each in given.values() if isinstance(each, Mapping) and "grants" in each]
            for grants in [each["grants"] for each in jobs] or [given]:
                self._read_grants(name, grants)
        elif word == "replicas":
            for region, given in _mapping(value).items():
                self._join([name], [f"{name}@{region}"], "replication", heads)
                self._mark(f"{name}@{region}", given)
        elif word == "connect":
            for instance, output in self._references(value):
                if output in self._drawings[instance].connect:
                    self._join([name], [self._near(instance, name)], "data", "both")
        elif word == "mark":
            self._marks |= {(name, rest)} if self._references(value) else set()
        elif word == "marks":
            self._marks |= {(box, rest) for box in self._referenced(value, name)}
        elif word in KINDS:
            ends = [[name], self._referenced(value, name)]
            source, target = reversed(ends) if rest == "in" else ends
            self._join(source, target, word, heads)
        if word not in KINDS and word != "grants":
            self._mark(name, value)

    def _mark(self, box: str, value: Any) -> None:
        """Mark a box by the keys, networks … whose outputs it is handed."""
        for instance, _ in self._references(value):
            mark = self._drawings[instance].marks
            if mark and instance != box:
                self._marks.add((box, mark))

    def _read_grants(self, name: str, grants: Mapping[str, Mapping[str, Any]]) -> None:
        """Turn what a function may do into arrows: data as it flows, or what it starts."""
        for grant in grants.values():
            if isinstance(grant, str):  # an output of the module that it is about, whose address is handed over too
                continue
            heads: set[tuple[str, Heads]] = set()
            for action in grant["actions"]:
                verb = action.partition(":")[2]
                if _STARTS.match(verb):
                    heads.add(("trigger", "end"))
                else:
                    heads.add(("data", "start" if _READS.match(verb) else "end"))
            for resource in grant["resources"]:
                for box in self._granted(resource, name):
                    for kind, head in heads:
                        self._join([name], [box], kind, head)

    def _granted(self, resource: str, name: str) -> list[str]:
        """Return the boxes that a grant's resource names: by reference, or by the name that is part of the ARN."""
        found = [
            self._near(instance, name)
            for instance, _ in self._references(resource)
            if instance in self._boxes and not self._drawings[instance].marks
        ]
        parts = resource.split(":", 5)
        if found or len(parts) < 6:
            return found
        words = [re.sub(r"-?\*$", "", word) for word in re.split(r"[:/]", parts[5])]
        return [
            box.id
            for box in self._boxes.values()
            if self._drawings[_instance(box.id)].arn == parts[2]
            and self._blocks[_instance(box.id)].get("name") in words
            and parts[3] in ("", box.frame)
        ]

    def _references(self, value: Any) -> list[tuple[str, str]]:
        """Return the outputs that a value is made of, as (instance, output)."""
        found = [match for text in _texts(value) if "${" in text for match in _REFERENCE.finditer(text)]
        return [(match[1], match[2]) for match in found if match[1] in self._blocks]

    def _referenced(self, value: Any, near: str) -> list[str]:
        found = [self._near(instance, near) for instance, _ in self._references(value) if instance in self._boxes]
        return list(dict.fromkeys(found))

    def _near(self, instance: str, name: str) -> str:
        """Return the copy of an instance that stands in the region of another one, or the instance itself."""
        copy = f"{instance}@{self._boxes[name].frame}" if name in self._boxes else ""
        return copy if copy in self._boxes else instance

    def _join(self, sources: list[str], targets: list[str], kind: str, heads: Heads) -> None:
        for source in sources:
            for target in targets:
                if source != target:
                    self._heads.setdefault((kind, source, target), set()).add(heads)

    def _arrows(self) -> Iterator[Arrow]:
        for (kind, source, target), heads in self._heads.items():
            yield Arrow(kind, source, target, "both" if len(heads) > 1 else next(iter(heads)))


def _interface(block: Mapping[str, Any]) -> modules.Interface:
    """Return the interface of a module block, by its source; a stand-in's is that of the module it stands in for."""
    return modules.load(PurePosixPath(block["source"].removesuffix("/standin")).name)


def _instance(box: str) -> str:
    return box.partition("@")[0]
