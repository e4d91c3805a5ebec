"""The project's own policies: which there are, and what they judge by. The checks themselves need checkov."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
SAMPLES = FOLDER / "samples"
SETTINGS: dict[str, Any] = tomllib.loads((FOLDER / "policies.toml").read_text())


@dataclass(frozen=True)
class Facts:
    """What ``policies.toml`` says about one policy."""

    id: str
    title: str
    severity: str
    why: str

    @property
    def guideline(self) -> str:
        """Where a reader finds more."""
        return f"docs/policies.md#{self.id.lower()}"


POLICIES = {key: Facts(key, **value) for key, value in SETTINGS.items() if isinstance(value, dict)}


def as_markdown() -> str:
    """Return the table that ``docs/policies.md`` holds between its markers."""
    lines = ["| policy | what it wants | severity | why | samples |", "|---|---|---|---|---|"]
    for each in POLICIES.values():
        samples = ", ".join(
            f"[{kind}](../infra/policies/samples/{each.id}/{kind}/main.tf)" for kind in ("pass", "fail")
        )
        name = f'<a id="{each.id.lower()}"></a>{each.id}'
        lines.append(f"| {name} | {each.title} | {each.severity} | {each.why} | {samples} |")
    return "\n".join(lines)
