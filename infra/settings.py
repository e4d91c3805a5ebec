"""Settings that are chosen on the command line, and that a deployment remembers.

``--set tier=pilot_light`` overrides one entry of ``[settings]`` in a ``stack.toml``. What differs from there is
written into the Terraform state as the output `OUTPUT`, so that every later command on the deployment means the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from infra import catalog
from infra.catalog import StackInfo
from infra.errors import OrreryError

OUTPUT = "chosen_settings"
"""The output in which a deployment remembers."""

_BOOLEANS = {"true": True, "false": False}
_WORDS = {bool: "true or false", int: "a whole number", str: "text"}


def choose(info: StackInfo, texts: Sequence[str]) -> StackInfo:
    """Return a stack with some settings chosen anew.

    Parameters
    ----------
    info : StackInfo
        The stack as its ``stack.toml`` has it.
    texts : sequence of str
        Such as ``tier=pilot_light``; ``tier=`` with nothing behind it is the value in ``stack.toml``.

    Raises
    ------
    OrreryError
        There is no such setting, or the value is of another type than the one in ``stack.toml``.
    """
    known, chosen = choices(info), {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise _unknown(info, name if equals else text, known, named=bool(equals))
        chosen[name] = _typed(info, name, value, known[name])
    return _with(info, chosen)


def choices(info: StackInfo) -> dict[str, Any]:
    """Return what can be chosen, with the present value: the entries of ``[settings]`` that are no tables or lists."""
    return {name: value for name, value in info.settings.items() if type(value) in _WORDS}


def differing(info: StackInfo, default: StackInfo) -> dict[str, Any]:
    """Return what is chosen otherwise than in ``stack.toml``."""
    return {name: value for name, value in info.chosen.items() if value != default.settings.get(name)}


def remember(info: StackInfo, outputs: Mapping[str, Any]) -> tuple[StackInfo, dict[str, Any]]:
    """Return a stack as it is deployed, where the command line doesn't say otherwise, and what that changed.

    A setting that is no longer there, or is of another type by now, is left out: the configuration has moved on.
    """
    known = choices(info)
    kept = {
        name: value
        for name, value in (outputs.get(OUTPUT) or {}).items()
        if name in known and type(value) is type(known[name]) and name not in info.chosen
    }
    return (_with(info, {**kept, **info.chosen}), kept) if kept else (info, {})


def keep_fixed(info: StackInfo, outputs: Mapping[str, Any]) -> None:
    """Refuse another choice of what a deployment can't change, as ``fixed`` in its ``stack.toml`` has it.

    Raises
    ------
    OrreryError
        It is deployed with another one.
    """
    deployed = {**catalog.load()[info.id].settings, **(outputs.get(OUTPUT) or {})}
    for name in info.fixed:
        if name in info.chosen and info.chosen[name] != deployed[name]:
            raise OrreryError(
                f"{info.id} is deployed with {shown({name: deployed[name]})}, and what it holds is of that one",
                next_step=f"make destroy STACK={info.id}, then deploy it with {shown({name: info.chosen[name]})}",
            )


def for_plans(info: StackInfo) -> StackInfo:
    """Return a stack as it is planned where nobody has an account: with ``[planned]``, unless others are chosen.

    A provider of another cloud can't be downloaded everywhere. A plan of all stacks would fail with it, and say nothing
    about any: so a stack names settings that need none. What it leaves out is planned by the stack's own tests.
    """
    own = {name: value for name, value in info.planned.items() if name not in info.chosen}
    return _with(info, {**own, **info.chosen}) if own else info


def shown(chosen: Mapping[str, Any]) -> str:
    """Return settings as they are typed, such as ``tier=pilot_light promoted=true``."""
    return " ".join(
        f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in chosen.items()
    )


def _with(info: StackInfo, chosen: Mapping[str, Any]) -> StackInfo:
    return replace(info, settings={**info.settings, **chosen}, chosen=dict(chosen))


def _typed(info: StackInfo, name: str, value: str, default: Any) -> Any:
    """Return a value in the type of its default; nothing is the default itself."""
    try:
        if not value:
            return default
        if isinstance(default, bool):
            return _BOOLEANS[value.lower()]
        return int(value) if isinstance(default, int) else value
    except (KeyError, ValueError):
        raise OrreryError(
            f"{info.id}: {name} is {_WORDS[type(default)]}, not {value!r}",
            next_step=f"the settings with their defaults: {shown(choices(info))}",
        ) from None


def _unknown(info: StackInfo, text: str, known: Mapping[str, Any], *, named: bool) -> OrreryError:
    if not known:
        return OrreryError(f"{info.id} has no settings to choose", next_step=f"leave out --set {text}")
    close = difflib.get_close_matches(text, list(known), n=1)
    what = f"has no setting {text!r}" if named else f"wants a setting as name=value, not {text!r}"
    return OrreryError(
        f"{info.id} {what}{f', did you mean {close[0]!r}?' if close and named else ''}",
        next_step=f"the settings with their defaults: {shown(known)}",
    )
