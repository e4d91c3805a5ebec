"""Terraform modules as Python sees them: what goes in, what comes out, what the local cloud does with them.

A module's ``variables.tf`` and ``outputs.tf`` are the only description of its interface. They are read here once
(and kept by content hash, because reading HCL costs a second), so a stack's mistakes are found while it is built.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from infra import types
from infra.errors import OrreryError
from infra.paths import CACHE, MODULES

Local = Literal["deploy", "stand-in", "cloud-only"]
_ALIASES = re.compile(r"configuration_aliases\s*=\s*\[[^\]]*\]")


@dataclass(frozen=True)
class Validation:
    """A rule that Terraform checks in the plan: the condition as written, and what it says when broken."""

    condition: str
    message: str


@dataclass(frozen=True)
class Variable:
    """One input of a module; ``default`` counts only where ``required`` is false."""

    name: str
    type: str
    description: str
    required: bool
    default: Any
    sensitive: bool
    validations: tuple[Validation, ...]


@dataclass(frozen=True)
class Output:
    """One output of a module."""

    name: str
    description: str
    sensitive: bool


@dataclass(frozen=True)
class Interface:
    """All that a stack needs to know of a module.

    Parameters
    ----------
    name : str
        The folder below ``modules/``.
    path : Path
        That folder.
    summary : str
        One line from ``module.toml``.
    local : {"deploy", "stand-in", "cloud-only"}
        What happens to it on the local target.
    service : str
        The local service of a stand-in, else empty.
    local_without : mapping
        Variables that the local cloud can't carry, with the reason; they are left out there, and said so.
    provider : str
        The Terraform provider it is written for.
    aliases : tuple of str
        The provider aliases that it must be handed, such as ``a`` for ``aws.a``.
    picture : mapping
        How it is drawn; see `infra.graph.model.Drawing`.
    variables, outputs : dict
        By name, in alphabetical order.
    """

    name: str
    path: Path
    summary: str
    local: Local
    service: str
    local_without: Mapping[str, str]
    provider: str
    aliases: tuple[str, ...]
    picture: Mapping[str, Any]
    variables: Mapping[str, Variable]
    outputs: Mapping[str, Output]


def names() -> list[str]:
    """Return the modules that exist, in alphabetical order."""
    return sorted(path.parent.name for path in MODULES.glob("*/variables.tf"))


@cache
def load(name: str) -> Interface:
    """Read a module's interface.

    Raises
    ------
    OrreryError
        There is no such module (names the nearest), or its files can't be read.
    """
    path = MODULES / name
    if not (path / "variables.tf").exists():
        raise OrreryError(
            f"there is no module {name!r}{nearest(name, names())}",
            next_step=f"use one of: {', '.join(names())}",
        )
    facts = tomllib.loads((path / "module.toml").read_text())
    parsed, versions = _parsed(path), (path / "versions.tf").read_text()
    return Interface(
        name=name,
        path=path,
        summary=facts["summary"],
        local=facts["local"],
        service=facts.get("service", ""),
        local_without=facts.get("local_without", {}),
        provider=facts.get("provider", "aws"),
        aliases=tuple(re.findall(r"\w+\.(\w+)", (_ALIASES.search(versions) or [""])[0])),
        picture=facts.get("picture", {}),
        variables={key: _variable(key, body) for key, body in sorted(parsed["variable"].items())},
        outputs={
            key: Output(key, body.get("description", ""), bool(body.get("sensitive")))
            for key, body in sorted(parsed["output"].items())
        },
    )


def nearest(name: str, known: list[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the known name that is nearest, or nothing."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f", did you mean {found[0]!r}?" if found else ""


def check_inputs(
    stack: str, instance: str, interface: Interface, inputs: Mapping[str, Any], *, none_is_given: bool = False
) -> None:
    """Check what a stack passes to a module against the module's variables.

    Parameters
    ----------
    stack, instance : str
        Who calls, and under what name; both appear in the error.
    interface : Interface
        The module.
    inputs : mapping
        Variable name to value; None means "not given".
    none_is_given : bool
        Let None stand for a required variable: a stand-in does without what a cloud-only module would give it.

    Raises
    ------
    OrreryError
        An unknown variable, a missing one, or a value of the wrong type.
    """
    where = f"{stack}: module {interface.name!r} ({instance!r})"
    look = f"see its interface: ./orrery module {interface.name}"
    for key, value in inputs.items():
        variable = interface.variables.get(key)
        if variable is None:
            hint = nearest(key, list(interface.variables))
            raise OrreryError(f"{where} has no variable {key!r}{hint}", next_step=look)
        problem = types.mismatch(value, types.parse(variable.type))
        if problem:
            raise OrreryError(f"{where}, variable {key!r}: {problem}", next_step=look)
    for key, variable in interface.variables.items():
        given = key in inputs if none_is_given else inputs.get(key) is not None
        if variable.required and not given:
            raise OrreryError(f"{where} needs variable {key!r} ({variable.type})", next_step=look)


def _variable(name: str, body: dict[str, Any]) -> Variable:
    return Variable(
        name=name,
        type=str(types.parse(body["type"])),
        description=body.get("description", ""),
        required="default" not in body,
        default=body.get("default"),
        sensitive=bool(body.get("sensitive")),
        validations=tuple(Validation(v["condition"], v["error_message"]) for v in body.get("validation", [])),
    )


def _parsed(path: Path) -> dict[str, dict[str, Any]]:
    """Return the variable and output blocks of a module, from the cache where its files are unchanged."""
    files = [path / "variables.tf", path / "outputs.tf"]
    content = b"\0".join(file.read_bytes() for file in files if file.exists())
    kept = CACHE / "interfaces" / f"{path.name}-{hashlib.sha256(content).hexdigest()[:20]}.json"
    try:
        return json.loads(kept.read_text())  # type: ignore[no-any-return]  # written below, in this shape
    except (OSError, ValueError):
        pass
    parsed = _read_hcl(files)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(".tmp")
        temporary.write_text(json.dumps(parsed))
        temporary.replace(kept)
    except OSError:
        pass  # the cache saves time; a full or read-only disk is reported by the step that needs it
    return parsed


def _read_hcl(files: list[Path]) -> dict[str, dict[str, Any]]:
    import hcl2  # lazy: its grammar takes a second to load, and the cache makes it rare

    blocks: dict[str, dict[str, Any]] = {"variable": {}, "output": {}}
    for file in files:
        if not file.exists():
            continue
        try:
            content = hcl2.loads(file.read_text())
        except Exception as error:  # the parser raises many kinds; each means the same to the user
            raise OrreryError(
                f"{file.parent.name}/{file.name} is not valid HCL",
                next_step=f"run: terraform fmt {file}",
                details=str(error),
            ) from error
        for kind, found in blocks.items():
            for block in content.get(kind, []):
                for name, body in block.items():
                    found[_plain(name)] = _plain({k: v for k, v in body.items() if k != "value"})
    return blocks


def _plain(value: Any) -> Any:
    """Undo the parser's marks: quotes around strings, ``${…}`` around expressions, its own bookkeeping keys."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        if len(value) >= 2 and value[0] == value[-1] == '"':
            return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        if value.startswith("${") and value.endswith("}"):
            return value[2:-1]
        if value.startswith("<<"):  # a heredoc: drop its first and last line
            return " ".join(line.strip() for line in value.splitlines()[1:-1])
    return value


def as_dict(interface: Interface) -> dict[str, Any]:
    """Return the interface as plain data, for ``--json``."""
    data = asdict(interface)
    data["path"] = str(interface.path.relative_to(MODULES.parent))
    return data


def show_default(variable: Variable) -> str:
    """Return a variable's default as Terraform would write it, or ``required``."""
    if variable.required:
        return "required"
    return "null" if variable.default is None else json.dumps(variable.default)


def as_markdown(interface: Interface) -> str:
    """Return the interface as the Markdown tables that a module's README holds between its markers."""

    def cell(text: str) -> str:
        return " ".join(text.replace("|", "\\|").split())

    lines = ["### Variables", "", "| name | type | default | description |", "|---|---|---|---|"]
    for variable in interface.variables.values():
        default = "**required**" if variable.required else f"`{cell(show_default(variable))}`"
        description = cell(variable.description)
        lines.append(f"| `{variable.name}` | `{cell(variable.type)}` | {default} | {description} |")
    lines += ["", "### Outputs", "", "| name | description |", "|---|---|"]
    lines += [f"| `{output.name}` | {cell(output.description)} |" for output in interface.outputs.values()]
    return "\n".join(lines)
