"""What a plan doesn't say and its configuration and sources do, added to the plan before policies judge it.

- A value that is set, but known only after the apply (the ARN of a key in the same plan), counts as set. It says
  which resource it comes from, so that a policy can tell which bucket a versioning rule belongs to.
- The tags of a stack, which its own provider sets and the merged root doesn't have.
- The outputs of each stack, as resources of the type `OUTPUT`: checkov has no checks of outputs.

All is put into a copy, in the plan's own form. What checkov stumbles over is taken out of it: the empty conditions and
effects of an IAM document's statements.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Address = str
LATER = "known-after-apply"
OUTPUT = "orrery_output"
_SKIP = re.compile(r"#\s*checkov:skip=(\w+):\s*(\S.*)")
_BLOCK = re.compile(r'^(resource|data) "([^"]+)" "([^"]+)" {$(.*?)^}$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Source:
    """Where a resource is written.

    Parameters
    ----------
    file : Path
        Its ``.tf`` file; where none was found, the module's folder.
    first, last : int
        The lines of its block, 0 where none was found.
    text : str
        What stands between the braces.
    expressions : mapping
        Its arguments as the plan's configuration has them: constants and references.
    """

    file: Path
    first: int = 0
    last: int = 0
    text: str = ""
    expressions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def skips(self) -> dict[str, str]:
        """The checks that the resource skips by a comment in its block: check id to reason."""
        return {check: reason.strip() for check, reason in _SKIP.findall(self.text)}


def blocks(folder: Path) -> dict[Address, Source]:
    """Return the resources and data sources that the ``.tf`` files of a folder hold, by their address there."""
    found: dict[Address, Source] = {}
    for file in sorted(folder.glob("*.tf")):
        text = file.read_text()
        for block in _BLOCK.finditer(text):
            first = text.count("\n", 0, block.start()) + 1
            last = first + block[0].count("\n")
            address = f"{'data.' if block[1] == 'data' else ''}{block[2]}.{block[3]}"
            found[address] = Source(file, first, last, block[4])
    return found


@dataclass(frozen=True)
class _Module:
    """One module of a plan's configuration, and how it is called."""

    content: dict[str, Any]
    folder: Path
    caller: Address = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)


class Configuration:
    """The configuration of a plan: what is written where, and what a reference leads to.

    Parameters
    ----------
    plan : dict
        The plan in Terraform's JSON form.
    root : Path
        The folder it was planned in; module sources are relative to it.
    """

    def __init__(self, plan: Mapping[str, Any], root: Path) -> None:
        self._modules = dict(_walk(_Module(plan["configuration"]["root_module"], root), ""))
        self.sources: dict[Address, Source] = {}
        written = {folder: blocks(folder) for folder in {module.folder for module in self._modules.values()}}
        for prefix, module in self._modules.items():
            for resource in module.content.get("resources", []):
                source = written[module.folder].get(resource["address"], Source(module.folder))
                expressions = resource.get("expressions", {})
                self.sources[prefix + resource["address"]] = Source(
                    source.file, source.first, source.last, source.text, expressions
                )

    def user_of(self, provider: str) -> Address:
        """Return the first resource that a provider such as ``aws.eu_west_1`` makes, or nothing."""
        for prefix, module in self._modules.items():
            for resource in module.content.get("resources", []):
                if resource.get("provider_config_key") == provider:
                    return f"{prefix}{resource['address']}"
        return ""

    def outputs(self) -> Iterator[tuple[Address, str, dict[str, Any]]]:
        """Yield the outputs of the stacks, which are the root's modules: prefix, name, what is written."""
        for prefix, module in self._modules.items():
            if prefix.count("module.") == 1:
                for name, output in sorted(module.content.get("outputs", {}).items()):
                    yield prefix, name, output

    def trace(self, prefix: Address, references: Sequence[str]) -> set[str]:
        """Follow references through variables and outputs to the attributes of resources that they come from.

        Parameters
        ----------
        prefix : str
            Address of the module in which they stand, with a dot behind it.
        references : sequence of str
            As the configuration has them: each reference, and behind it its shorter forms.

        Returns
        -------
        set of str
            Such as ``module.a.aws_sqs_queue.q.arn``; a local value leads nowhere, as a plan doesn't hold them.
        """
        found: set[str] = set()
        for at, each in enumerate(references):
            if at and references[at - 1].startswith((f"{each}.", f"{each}[")):
                continue  # a shorter form of the one before
            found |= self._trace_one(prefix, without_indexes(each))
        return found

    def _trace_one(self, prefix: Address, reference: str) -> set[str]:
        module, (kind, name, *rest) = self._modules[prefix], f"{reference}..".split(".")[:3]
        if kind == "var":
            given = _references(module.inputs.get(name))
            return self.trace(module.caller, given) if given else set()
        if kind == "module":
            inner = self._modules.get(f"{prefix}module.{name}.")
            output = inner.content.get("outputs", {}).get(rest[0], {}) if inner else {}
            return self.trace(f"{prefix}module.{name}.", _references(output.get("expression")))
        known = any(f"{reference}.".startswith(f"{each['address']}.") for each in module.content.get("resources", []))
        return {prefix + reference} if known else set()

    def constant(self, prefix: Address, variable: str) -> Any:
        """Return what the caller of a module writes for a variable; references in it are left as text."""
        return (self._modules[prefix].inputs.get(variable) or {}).get("constant_value")

    def given(self, prefix: Address, expression: Any) -> bool:
        """Tell whether an argument is given: not so where it only hands on a variable that nobody set."""
        references = _references(expression)
        if len(references) == 1 and references[0].startswith("var."):
            module, name = self._modules[prefix], references[0].removeprefix("var.")
            if name in module.inputs:
                return self.given(module.caller, module.inputs[name])
            return module.content.get("variables", {}).get(name, {}).get("default") is not None
        return bool(references) or (isinstance(expression, dict) and expression.get("constant_value") is not None)


def _walk(module: _Module, prefix: Address) -> Iterator[tuple[Address, _Module]]:
    yield prefix, module
    for name, call in module.content.get("module_calls", {}).items():
        folder = (module.folder / call["source"]).resolve()
        inner = _Module(call["module"], folder, prefix, call.get("expressions", {}))
        yield from _walk(inner, f"{prefix}module.{name}.")


def _references(expression: Any) -> list[str]:
    found = expression.get("references", []) if isinstance(expression, dict) else []
    return [each for each in found if isinstance(each, str)]


def without_indexes(address: Address) -> Address:
    """Drop ``[0]`` and ``["key"]`` from an address."""
    return re.sub(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]', "", address)


def enrich(plan: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    """Return a copy of a plan with what policies need to know, and without what they don't; see the first lines."""
    copy: dict[str, Any] = {"planned_values": json.loads(json.dumps(plan["planned_values"]))}
    copy["terraform_version"] = plan.get("terraform_version", "")  # by this key checkov knows a plan
    written = plan["configuration"]
    copy["configuration"] = {
        "provider_config": written.get("provider_config", {}),
        "root_module": _resources_only(written["root_module"]),
    }
    tags: dict[str, dict[str, str]] = plan.get("variables", {}).get("stack_tags", {}).get("value", {})
    changes = {each["address"]: each["change"] for each in plan.get("resource_changes", [])}
    # Reading the file is much of checkov's work, and of the changes it needs only the actions.
    copy["resource_changes"] = [
        {"address": address, "change": {"actions": change.get("actions", []), "before": None, "after": None}}
        for address, change in changes.items()
    ]
    root = copy["planned_values"]["root_module"]
    for resource in _resources(root):
        values = resource.get("values")
        if values is None:
            continue
        unknown = changes.get(resource["address"], {}).get("after_unknown") or {}
        if source := configuration.sources.get(without_indexes(resource["address"])):
            _fill(values, unknown, source, _Place(configuration, module_of(resource["address"])))
        _add_tags(values, unknown, tags.get(_stack_of(resource["address"]), {}))
        if resource["type"] == "aws_iam_policy_document":
            values["statement"] = [_without_nothing(each) for each in values.get("statement") or []]
    root.setdefault("resources", []).extend(_outputs(configuration))
    return copy


def _resources_only(module: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module of a configuration without its variables, outputs and inputs."""
    calls = {name: {"module": _resources_only(call["module"])} for name, call in module.get("module_calls", {}).items()}
    return {"resources": module.get("resources", []), "module_calls": calls}


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def module_of(address: Address) -> Address:
    """Return the prefix of a resource's module without indexes, such as ``module.a.module.b.``, or nothing."""
    found = re.match(r"(?:module\.[^.]+\.)*", without_indexes(address))
    return found[0] if found else ""


def _stack_of(address: Address) -> str:
    found = re.match(r"module\.([^.\[]+)", address)
    return found[1] if found else ""


def _add_tags(values: dict[str, Any], unknown: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Give a resource that takes tags those of its stack; its own win, as they do with the stack's own provider."""
    present = values.get("tags_all") or {}
    if tags and (present.get("managed-by") or unknown.get("tags_all") is True):
        values["tags_all"] = {**present, **tags, **(values.get("tags") or {})}


def _without_nothing(statement: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is null or empty: checkov fails on the one and takes the other for an effect that is not Allow."""
    return {name: value for name, value in statement.items() if value not in (None, [])}


def _outputs(configuration: Configuration) -> Iterator[dict[str, Any]]:
    for prefix, name, output in configuration.outputs():
        sources = sorted(configuration.trace(prefix, _references(output.get("expression"))))
        values = {"name": name, "sensitive": output.get("sensitive", False), "sources": sources}
        address = f"{prefix}output.{name}"
        yield {"address": address, "mode": "managed", "type": OUTPUT, "name": name, "values": values}


# -- what is set, but known later -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A module of the configuration, to ask what an expression in it comes to."""

    configuration: Configuration
    prefix: Address

    def given(self, expression: Any) -> bool:
        return self.configuration.given(self.prefix, expression)

    def from_references(self, expression: Any) -> str:
        """Return what stands for a value that is known later: with the attribute it comes from, where that is one."""
        found = self.configuration.trace(self.prefix, _references(expression))
        return f"{LATER}:{found.pop()}" if len(found) == 1 else LATER

    def from_text(self, text: str, name: str) -> Any:
        """Return what stands for an argument in a block: of a map what is written in it, there or by the caller.

        A map of which one value is known later is not known at all in the plan.
        """
        if inner := _body(text, name, assigned=True):
            return {key: f"${{{written}}}" for key, written in re.findall(r"^\s*(\w+)\s*= (.+)$", inner, re.MULTILINE)}
        variable = re.search(rf"^\s*{re.escape(name)}\s*= var\.(\w+)$", text, re.MULTILINE)
        found = self.configuration.constant(self.prefix, variable[1]) if variable else None
        return found if isinstance(found, dict) else LATER


def _fill(values: dict[str, Any], unknown: Mapping[str, Any], source: Source, place: _Place) -> None:
    """Fill the arguments of one resource; what nobody set stays missing, because a check should see that."""
    for name, state in unknown.items():
        expression = source.expressions.get(name)
        if state is True and place.given(expression):
            values[name] = place.from_references(expression)
        elif body := _body(source.text, name):
            _fill_inside(values.get(name), state, body, place)
        elif expression is not None:
            _fill_inside(values.get(name), state, None, place)


def _fill_inside(values: Any, unknown: Any, text: str | None, place: _Place) -> None:
    """Fill what is unknown within an argument.

    The plan's configuration leaves ``dynamic`` blocks out, so the source says which arguments a block sets. Without
    a text it is a list or a map, of which each unknown element was put there by somebody.
    """
    if isinstance(unknown, list) and isinstance(values, list):
        for at, (value, state) in enumerate(zip(values, unknown, strict=False)):
            if state is True and value is None:
                values[at] = LATER
            else:
                _fill_inside(value, state, text, place)
    elif isinstance(unknown, dict) and isinstance(values, dict):
        for name, state in unknown.items():
            body = _body(text, name) if text else ""
            if body:
                _fill_inside(values.get(name), state, body, place)
            elif text is not None and not _sets(text, name):
                continue
            elif state is True and values.get(name) is None:
                values[name] = place.from_text(text or "", name)
            else:
                _fill_inside(values.get(name), state, None, place)


def _sets(text: str, name: str) -> bool:
    return re.search(rf"^\s*{re.escape(name)}\s*=", text, re.MULTILINE) is not None


def _body(text: str, name: str, *, assigned: bool = False) -> str:
    """Return what stands within all blocks of a name, ``dynamic`` ones included; Terraform's format is expected."""
    word = re.escape(name)
    begins = rf"{word}\s*=" if assigned else rf'(?:dynamic "{word}"|{word})'
    opening = rf"^( *){begins} {{\n(.*?)^\1}}$"
    return "".join(found[2] for found in re.finditer(opening, text, re.MULTILINE | re.DOTALL))
