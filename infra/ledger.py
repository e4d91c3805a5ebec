"""The ledger: what becomes of each resource type on the local cloud, and which probe proves it.

``infra/ledger.toml`` holds the claims about what modules deploy there. What is replaced or left out follows from
``modules/*/module.toml``. ``make deploy``, ``docs/ledger.md`` and the READMEs of the stacks draw on both.
"""

from __future__ import annotations

import ast
import json
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from infra import catalog, modules, targets
from infra.errors import OrreryError
from infra.paths import MODULES, ROOT

Claim = Literal["executed", "accepted", "stand-in", "cloud-only"]
CLAIMS: dict[Claim, str] = {
    "executed": "behaves as on AWS in what the project relies on",
    "accepted": "is made and given back; nothing acts on it",
    "stand-in": "another real program does its work",
    "cloud-only": "is left out; planned and scanned only",
}
FILE = ROOT / "infra" / "ledger.toml"
PROBES = ROOT / "tests" / "ledger"
FORMAT = 1
LEFT_OUT = "test_left_out.py::test_a_cloud_only_module_is_left_out_of_a_stack"

_RESOURCE = re.compile(r'^resource "(?P<type>\w+)" "\w+" \{(?:\}|\n(?P<body>.*?)^\})', re.MULTILINE | re.DOTALL)
_CALLED = re.compile(r'^  source += "(\.\./\S+/standin)"$', re.MULTILINE)
_GIVEN = re.compile(r"^  count += var\.(\w+)(?: == null \? 0 : 1| \? 1 : 0)$|^  for_each += var\.(\w+)$", re.MULTILINE)
_NOT_GIVEN = re.compile(r"^  count += var\.(\w+)(?: == null \? 1 : 0| \? 0 : 1)$", re.MULTILINE)


@dataclass(frozen=True)
class Gap:
    """What AWS does and the local cloud does not, and the probe that shows it missing."""

    lacks: str
    probe: str


@dataclass(frozen=True)
class Entry:
    """What the ledger says about a resource type.

    Parameters
    ----------
    type : str
        Such as ``aws_s3_bucket``.
    claim : {"executed", "accepted", "stand-in", "cloud-only"}
        See `CLAIMS`.
    means : str
        What exactly works, or what does not happen.
    probes : tuple of str
        The tests below ``tests/ledger`` that show it.
    gaps : tuple of Gap
        What one that is executed, or that another program stands in for, still lacks.
    modules : tuple of str
        The modules that use it, in alphabetical order.
    """

    type: str
    claim: Claim
    means: str
    probes: tuple[str, ...]
    gaps: tuple[Gap, ...]
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Resource:
    """A resource block of a module: its type, and the variable on which it depends whether it is made.

    ``given`` names a variable that must be given, ``absent`` one that must not; both are empty for one that is
    always made.
    """

    type: str
    given: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Written:
    """The content of ``ledger.toml``."""

    types: Mapping[str, Mapping[str, Any]]
    modules: Mapping[str, Mapping[str, Any]]


def written() -> Written:
    """Read ``ledger.toml``."""
    content = tomllib.loads(FILE.read_text())
    return Written(content["types"], content["modules"])


def executed() -> frozenset[str]:
    """Return the types that the local cloud executes."""
    return frozenset(kind for kind, entry in written().types.items() if entry["claim"] == "executed")


@cache
def resources(module: str, folder: str = "") -> tuple[Resource, ...]:
    """Return the resource blocks of a module, those of the modules within it and of a stand-in that it calls included.

    Parameters
    ----------
    module : str
        Its name.
    folder : str
        ``standin`` for the blocks of its stand-in.
    """
    root = MODULES / module / folder
    found: list[Resource] = []
    for file in sorted(root.rglob("*.tf")):
        if {"examples", "tests", "standin"} & set(file.relative_to(root).parts[:-1]):
            continue
        text = file.read_text()
        for called in _CALLED.findall(text):
            found += resources(str((file.parent / called).resolve().relative_to(MODULES)))
        for block in _RESOURCE.finditer(text):
            given, absent = _GIVEN.search(block["body"] or ""), _NOT_GIVEN.search(block["body"] or "")
            found.append(Resource(block["type"], (given[1] or given[2]) if given else "", absent[1] if absent else ""))
    return tuple(found)


def deployed_types() -> dict[str, set[str]]:
    """Return the types that are deployed locally, each with the modules that use it."""
    found: dict[str, set[str]] = {}
    for name in modules.names():
        interface = modules.load(name)
        if interface.local == "cloud-only":
            continue
        folder = "standin" if interface.local == "stand-in" else ""
        for each in resources(name, folder):
            if each.given not in interface.local_without:
                found.setdefault(each.type, set()).add(name)
    return found


def replaced_types() -> dict[str, dict[str, str]]:
    """Return the types that are not deployed locally where these modules use them.

    The inner keys are modules, the values what ``[modules]`` of the ledger may say about it: the module, or the
    module and the variable that is left out.
    """
    found: dict[str, dict[str, str]] = {}
    for name in modules.names():
        interface = modules.load(name)
        for each in resources(name):
            if interface.local != "deploy":
                found.setdefault(each.type, {})[name] = name
            elif each.given in interface.local_without:
                found.setdefault(each.type, {})[name] = f"{name}.{each.given}"
    return found


def load() -> dict[str, Entry]:
    """Return the ledger: an entry for each resource type of each module, in alphabetical order.

    Raises
    ------
    OrreryError
        A type has no claim, or the ledger is wrong otherwise; the error names the first problem.
    """
    wrong = problems()
    if wrong:
        raise OrreryError(
            f"infra/ledger.toml: {wrong[0]}",
            next_step="see the head of that file, and tests/ledger",
            details="\n".join(wrong),
        )
    content, deployed, replaced = written(), deployed_types(), replaced_types()
    found = {}
    for kind in sorted(deployed.keys() | replaced.keys()):
        users = tuple(sorted(deployed.get(kind, set()) | set(replaced.get(kind, {}))))
        if kind in deployed:
            facts = content.types[kind]
            gaps = tuple(Gap(**gap) for gap in facts.get("gaps", ()))
            found[kind] = Entry(kind, facts["claim"], facts["means"], tuple(facts["probes"]), gaps, users)
        else:
            found[kind] = _not_deployed(kind, users, content, replaced[kind])
    return found


def _not_deployed(kind: str, users: tuple[str, ...], content: Written, why: Mapping[str, str]) -> Entry:
    """Return the entry of a type that is replaced, or left out."""
    by_modules = [content.modules[module] for module in sorted(why) if module in content.modules]
    if replacing := [facts for facts in by_modules if kind in facts.get("replaces", ())]:
        means = " ".join(facts["means"] for facts in replacing)
        shown = tuple(probe for facts in replacing for probe in facts["probes"])
        gaps = tuple(Gap(**gap) for facts in replacing for gap in facts.get("gaps", ()))
        return Entry(kind, "stand-in", means, shown, gaps, users)
    # Left out by the module that names a reason, rather than by one that a stand-in replaces as a whole.
    reasons = sorted(why.items(), key=lambda each: (modules.load(each[0]).local == "stand-in", each))
    module, key = reasons[0]
    facts = content.modules.get(key, {})
    interface = modules.load(module)
    if interface.local == "stand-in":
        means = f"Goes with the module `{module}`, which is replaced as a whole."
    else:
        means = facts.get("means", f"Needs the provider `{interface.provider}`, for which nothing runs locally.")
    probes = tuple(facts.get("probes", ()))
    return Entry(kind, "cloud-only", means, probes if "." in key else (LEFT_OUT, *probes), (), users)


# ------------------------------------------------------------------------------------------------- is it right?


def probes() -> set[str]:
    """Return the probes that there are: the tests below ``tests/ledger``."""
    found = set()
    for file in sorted(PROBES.glob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(f"{file.name}::{node.name}")
    return found


def problems() -> list[str]:
    """Return what is wrong with the ledger: claims that miss, are unused, or unproven, and probes without a claim."""
    content, deployed = written(), deployed_types()
    types, explained = content.types.keys(), content.modules.keys()
    found = [f"{kind} is missing; {', '.join(sorted(deployed[kind]))} deploys it" for kind in deployed.keys() - types]
    found += [f"{kind} is deployed locally by no module" for kind in types - deployed.keys()]
    wanted = _modules_with_a_reason()
    found += [f"modules.{key} is missing; it is not deployed locally" for key in wanted - explained]
    found += [f"modules.{key} is deployed locally, or is not there" for key in explained - wanted - _of_other_clouds()]
    for kind, facts in content.types.items():
        if facts.get("claim") not in ("executed", "accepted"):
            found.append(f"{kind} claims to be {facts.get('claim')}; a type that is deployed is executed or accepted")
        if facts.get("gaps") and facts.get("claim") != "executed":
            found.append(f"{kind} has gaps, which only a type that is executed has")
    known, named = probes(), {LEFT_OUT}
    for key, facts in [*content.types.items(), *content.modules.items()]:
        own = [*facts.get("probes", ()), *(gap.get("probe", "") for gap in facts.get("gaps", ()))]
        if not facts.get("means") or not facts.get("probes") or not all(own):
            found.append(f"{key} says nothing, or has a claim or a gap without a probe")
        found += [f"{key} names the probe {probe}, which is not there" for probe in own if probe and probe not in known]
        named |= set(own)
    found += [f"the probe {probe} proves no claim" for probe in known - named]
    return sorted(found)


def _modules_with_a_reason() -> set[str]:
    """Return what ``[modules]`` has to explain: AWS modules that aren't deployed, and variables that are left out."""
    found = set()
    for name in modules.names():
        interface = modules.load(name)
        if interface.local != "deploy" and interface.provider == "aws":
            found.add(name)
        found |= {f"{name}.{variable}" for variable in interface.local_without}
    return found


def _of_other_clouds() -> set[str]:
    """Return the modules of other providers: that nothing is made of them needs no reason, but one may say more."""
    return {name for name in modules.names() if modules.load(name).provider != "aws"}


# -------------------------------------------------------------------------------------------------- as documents


def as_json() -> str:
    """Return the ledger as ``docs/ledger.json`` holds it."""
    entries = load()
    types = {kind: asdict(entry) for kind, entry in entries.items()}
    for facts in types.values():
        del facts["type"]  # it is the key
    document = {"format": FORMAT, "claims": CLAIMS, "summary": _counts(entries.values()), "types": types}
    return json.dumps(document, indent=1) + "\n"


def as_markdown() -> str:
    """Return the ledger as ``docs/ledger.md`` holds it between its markers."""
    entries = load()
    lines = ["| claim | types | what it means |", "|---|---|---|"]
    lines += [f"| {claim} | {count} | {CLAIMS[claim]} |" for claim, count in _counts(entries.values()).items()]
    for claim in CLAIMS:
        lines += ["", f"## {claim.capitalize()}", "", "| type | what exactly | used by | probes |", "|---|---|---|---|"]
        lines += [_row(entry) for entry in entries.values() if entry.claim == claim]
    return "\n".join(lines)


def _counts(entries: Iterable[Entry]) -> dict[Claim, int]:
    claims = [entry.claim for entry in entries]
    return {claim: claims.count(claim) for claim in CLAIMS}


def _row(entry: Entry) -> str:
    lacks = "".join(f"<br>**Not**: {gap.lacks}" for gap in entry.gaps)
    proofs = dict.fromkeys([*entry.probes, *(gap.probe for gap in entry.gaps)])
    shown = "<br>".join(_link(probe) for probe in proofs)
    used = ", ".join(f"[{name}](../modules/{name}/README.md)" for name in entry.modules)
    return f"| `{entry.type}` | {entry.means}{lacks} | {used} | {shown} |"


def _link(probe: str) -> str:
    file, _, test = probe.partition("::")
    return f"[{test.removeprefix('test_').replace('_', ' ')}](../tests/ledger/{file})"


# ------------------------------------------------------------------------------------------------------ of a stack


def of_stack(info: catalog.StackInfo) -> list[Entry]:
    """Return what the ledger says about the types of a stack, as it is synthesised for AWS.

    A type counts where a module would make one with the inputs that the stack gives it.
    """
    from infra import stack as stacks  # lazy: it starts Node

    with tempfile.TemporaryDirectory() as folder:
        _, made = stacks.create(info, targets.offline(), Path(folder), packages=False)
    entries, kinds = load(), set()
    for block in made.get("module", {}).values():
        name = Path(block["source"]).name
        kinds |= {each.type for each in resources(name) if _is_made(each, modules.load(name), block)}
    return [entries[kind] for kind in sorted(kinds)]


def _is_made(resource: Resource, interface: modules.Interface, inputs: Mapping[str, Any]) -> bool:
    def is_given(variable: str) -> bool:
        return inputs.get(variable, interface.variables[variable].default) not in (None, False, [], {})

    if resource.given:
        return is_given(resource.given)
    return not (resource.absent and is_given(resource.absent))


def stack_as_markdown(info: catalog.StackInfo) -> str:
    """Return what of a stack runs locally, as its README holds it between its markers."""
    entries = of_stack(info)
    lines = ["| claim | resource types |", "|---|---|"]
    for claim, meaning in CLAIMS.items():
        kinds = ", ".join(f"`{entry.type}`" for entry in entries if entry.claim == claim)
        if kinds:
            lines.append(f"| **{claim}**: {meaning} | {kinds} |")
    up = "../" * (info.id.count("/") + 2)
    proofs = f"What each does exactly, and how that is proven: [the ledger]({up}docs/ledger.md)."
    lines += ["", f"{proofs} What is accepted means:", ""]
    lines += [f"- `{entry.type}`: {entry.means}" for entry in entries if entry.claim == "accepted"]
    lines += ["", "And what is executed still lacks:", ""]
    lines += [f"- `{entry.type}`: {gap.lacks}" for entry in entries for gap in entry.gaps]
    return "\n".join(lines)
