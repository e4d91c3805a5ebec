"""What guards data, or tells people, and is weakened by a change: a shorter retention, a switch that is turned off."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.policies import SETTINGS
from infra.review.planning import Delta

Values = Mapping[str, Any]
LATER = "known after the apply"


@dataclass(frozen=True, order=True)
class Guard:
    """One guard that a change takes away or weakens.

    Parameters
    ----------
    stack, address : str
        The resource.
    attribute : str
        Such as ``retention_in_days``; wherever in the resource it stands.
    text : str
        What becomes of it, such as ``365 → 1``.
    """

    stack: str
    address: str
    attribute: str
    text: str


def lowered(deltas: Iterable[Delta]) -> list[Guard]:
    """Return every guard that is lower after a change than before, of what stays or is replaced.

    Parameters
    ----------
    deltas : iterable of Delta
        The changes.
    """
    found = []
    for delta in deltas:
        if delta.action not in ("update", "replace") or delta.before is None or delta.after is None:
            continue
        after = with_unknown(delta.after, delta.unknown)
        for attribute, weaker in GUARDS.items():
            was, becomes = (tuple(_named(side, attribute)) for side in (delta.before, after))
            if was != becomes and weaker(was, becomes):
                text = f"{_text(was)} → {_text(becomes)}"
                found.append(Guard(delta.stack, delta.address, attribute, text))
        if delta.type == "aws_cloudwatch_metric_alarm" and _deafer(delta.before, delta.after):
            text = f"{delta.before['threshold']:g} → {delta.after['threshold']:g}"
            found.append(Guard(delta.stack, delta.address, "threshold", text))
    return sorted(found)


def lowered_classes(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[Guard]:
    """Return the stacks whose data is called more open than before: by that, policies ask less of them.

    Parameters
    ----------
    before, after : mapping
        The default tags of each stack.
    """
    order = {name: number for number, name in enumerate(SETTINGS["data_classes"])}
    found = []
    for stack in sorted(before.keys() & after.keys()):
        was, becomes = (tags.get("data-class", "") for tags in (before[stack], after[stack]))
        if order.get(becomes, -1) < order.get(was, -1):
            found.append(Guard(stack, "default tags", "data-class", f"{was} → {becomes or 'nothing'}"))
    return found


def with_unknown(after: Any, unknown: Any) -> Any:
    """Return planned values with `LATER` for what is set and known only after the apply."""
    if unknown is True:
        return LATER
    if isinstance(unknown, Mapping):
        base = after if isinstance(after, Mapping) else {}
        return {**base, **{key: with_unknown(base.get(key), mark) for key, mark in unknown.items() if mark}}
    if isinstance(unknown, list) and isinstance(after, list):
        marks = [*unknown, *[None] * (len(after) - len(unknown))]
        return [with_unknown(value, mark) if mark else value for value, mark in zip(after, marks, strict=False)]
    return after


def _named(values: Any, name: str) -> Iterator[Any]:
    """Yield all values of an attribute at any depth; what a database's parameters set counts as attributes too."""
    if isinstance(values, Mapping):
        if values.get("name") == name and "value" in values:
            yield values["value"]
        for key, each in values.items():
            if key == name:
                yield from each if isinstance(each, list) else [each]
            else:
                yield from _named(each, name)
    elif isinstance(values, list):
        for each in values:
            yield from _named(each, name)


def _text(values: tuple[Any, ...]) -> str:
    shown = [json.dumps(each, sort_keys=True) for each in values if each not in (None, "", [], {})]
    text = ", ".join(shown) if shown else "nothing"
    return text if len(text) <= 80 else f"{text[:80]}…"


# ------------------------------------------------------------------------------------------ what is weaker


def _shorter(was: tuple[Any, ...], becomes: tuple[Any, ...]) -> bool:
    """Compare the shortest times that something is kept; none at all is no time."""
    one, other = _numbers(was), _numbers(becomes)
    return bool(one) and min(other, default=0) < min(one)


def _ends(was: tuple[Any, ...], becomes: tuple[Any, ...]) -> bool:
    """Compare times of which 0, and none, is for ever."""
    one, other = (min((each or math.inf for each in _numbers(side)), default=math.inf) for side in (was, becomes))
    return other < one and bool(was)


def _numbers(values: tuple[Any, ...]) -> list[float]:
    return [float(each) for each in values if isinstance(each, int | float)]


def _off(was: tuple[Any, ...], becomes: tuple[Any, ...]) -> bool:
    """Count what is switched on."""
    on = (True, "Enabled", "ENABLED", "1")
    return len([each for each in becomes if each in (*on, LATER)]) < len([each for each in was if each in on])


def _on(was: tuple[Any, ...], becomes: tuple[Any, ...]) -> bool:
    return becomes.count(True) > was.count(True)


def _gone(was: tuple[Any, ...], becomes: tuple[Any, ...]) -> bool:
    """Count what is set; -1 is what AWS has for no limit."""
    nothing: tuple[Any, ...] = (None, "", [], {}, -1)
    return sum(each not in nothing for each in becomes) < sum(each not in nothing for each in was)


def _deafer(before: Values, after: Values) -> bool:
    """Tell whether an alarm needs more than before to be heard."""
    was, becomes = before.get("threshold"), after.get("threshold")
    if not isinstance(was, int | float) or not isinstance(becomes, int | float):
        return False
    above = str(after.get("comparison_operator", "")).startswith("Greater")
    return bool(becomes > was if above else becomes < was)


Weaker = Callable[[tuple[Any, ...], tuple[Any, ...]], bool]

GUARDS: Mapping[str, Weaker] = {
    **dict.fromkeys(
        (
            "backup_retention_period",
            "data_retention_time_in_days",
            "deletion_window_in_days",
            "message_retention_seconds",
            "noncurrent_days",
            "recovery_window_in_days",
        ),
        _shorter,
    ),
    "retention_in_days": _ends,
    **dict.fromkeys(
        (
            "deletion_protection",
            "deletion_protection_enabled",
            "enable_key_rotation",
            "enabled",
            "iam_database_authentication_enabled",
            "multi_az",
            "multi_region",
            "point_in_time_recovery",
            "rds.force_ssl",
            "started",
            "state",
            "status",
            "storage_encrypted",
        ),
        _off,
    ),
    **dict.fromkeys(("delete_automated_backups", "force_destroy", "skip_final_snapshot"), _on),
    **dict.fromkeys(
        (
            "access_log_settings",
            "alarm_actions",
            "dead_letter_config",
            "destination_config",
            "error_integration",
            "health_check_id",
            "kms_key_arn",
            "kms_key_id",
            "kms_master_key_id",
            "log_group",
            "performance_insights_kms_key_id",
            "redrive_policy",
            "replica",
            "replica_kms_key_id",
            "replication_time",
            "reserved_concurrent_executions",
            "vpc_config",
        ),
        _gone,
    ),
}
"""By attribute, wherever it stands: how to tell that it guards less than before. Each is documented under its name."""
