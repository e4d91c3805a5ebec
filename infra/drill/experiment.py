"""What an experiment's file says: its faults, its times, and what it tells us beside what all Chaos Toolkits know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.errors import OrreryError


def hasten(experiment: Mapping[str, Any], hurry: float) -> None:
    """Divide the times of an experiment, in place: its pauses, and how long a flapping fault is on and off."""
    for activity in experiment["method"]:
        for times in (activity.get("pauses", {}), activity["provider"].get("arguments", {})):
            for name, value in times.items():
                if times is activity.get("pauses") or name in ("on_s", "off_s"):
                    times[name] = value / hurry


def length_s(experiment: Mapping[str, Any]) -> float:
    """Return how long an experiment lasts by its own times, in seconds; what an operator's runbook takes is not in."""
    total = 0.0
    for activity in experiment["method"]:
        arguments = activity["provider"].get("arguments", {})
        total += sum(activity.get("pauses", {}).values())
        total += arguments.get("times", 0) * (arguments.get("on_s", 0) + arguments.get("off_s", 0))
    return total


def extension(experiment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an experiment says to us beside what all Chaos Toolkits understand."""
    return next((each for each in experiment.get("extensions", []) if each["name"] == "orrery"), {})


def placed(experiment: Mapping[str, Any], file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each fault of an experiment in its order, with file and line."""
    lines = [number for number, line in enumerate(file.read_text().splitlines(), 1) if '"kind"' in line]
    count = 0
    for activity in experiment["method"]:
        for fault in activity["provider"].get("arguments", {}).get("faults", []):
            yield (f"{file.name}:{lines[count]}" if count < len(lines) else file.name), fault
            count += 1


def checked_faults(experiment: Mapping[str, Any], file: Path) -> list[Mapping[str, Any]]:
    """Return the faults of an experiment, in its order.

    Raises
    ------
    OrreryError
        One is none: with file and line.
    """
    from infra.local import fault_client

    found: list[Mapping[str, Any]] = []
    for place, fault in placed(experiment, file):
        try:
            fault_client.from_options(dict(fault))
        except OrreryError as error:
            raise OrreryError(f"{place}: {error.what}", next_step="mend it; docs/faults.md has the kinds") from error
        found.append(fault)
    return found
