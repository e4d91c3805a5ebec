"""Keeps the generated parts of the documentation true: text between ``BEGIN`` and ``END`` markers, and pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from infra import catalog, graph, ledger, modules, policies
from infra.errors import OrreryError
from infra.paths import MODULES, ROOT


def replace_between(text: str, name: str, content: str) -> str:
    """Put content between ``<!-- BEGIN name -->`` and ``<!-- END name -->``.

    Raises
    ------
    ValueError
        The markers are not there exactly once.
    """
    pattern = re.compile(rf"(<!-- BEGIN {re.escape(name)} -->\n).*?(<!-- END {re.escape(name)} -->)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"the markers of {name!r} are missing or doubled")
    return pattern.sub(lambda found: f"{found[1]}{content.strip()}\n{found[2]}", text)


def merged(text: str, marker: str, content: str) -> str:
    """Return a file's text with its generated part; without a marker that is the whole file.

    Raises
    ------
    ValueError
        The markers are not there exactly once.
    """
    return replace_between(text, marker, content) if marker else content


def write_section(file: Path, name: str, content: str) -> None:
    """Write a benchmark's part of a page: between its markers, which are appended where they are missing."""
    text = file.read_text() if file.exists() else "# Benchmarks\n\nFigures are written by the scripts named here.\n"
    if f"<!-- BEGIN {name} -->" not in text:
        text += f"\n## scripts/{name}.py\n\n<!-- BEGIN {name} -->\n<!-- END {name} -->\n"
    file.write_text(replace_between(text, name, content))


def generated() -> list[tuple[Path, str, Callable[[], str]]]:
    """Return each generated part: its file, its marker (none for a whole file), and what writes it."""
    parts: list[tuple[Path, str, Callable[[], str]]] = [
        (ROOT / "README.md", "stacks", catalog.as_markdown),
        (ROOT / "docs" / "policies.md", "policies", policies.as_markdown),
        (ROOT / "docs" / "ledger.md", "ledger", ledger.as_markdown),
        (ROOT / "docs" / "ledger.json", "", ledger.as_json),
    ]
    for name in modules.names():
        parts.append((MODULES / name / "README.md", "interface", lambda n=name: modules.as_markdown(modules.load(n))))  # type: ignore[misc]  # the default binds the loop's name
    parts.append((ROOT / "docs" / "review.md", "rules", rules_of_reviews))
    parts.append((ROOT / "docs" / "review.md", "holders", holders_of_data))
    parts.append((ROOT / "docs" / "review.schema.json", "", schema_of_reviews))
    for info in catalog.load().values():
        if info.built:
            parts.append((info.path / graph.FILE, "", lambda i=info: graph.draw(i)))  # type: ignore[misc]  # as above
            parts.append((info.path / "README.md", "picture", lambda i=info: graph.as_markdown(i)))  # type: ignore[misc]
            parts.append((info.path / "README.md", "locally", lambda i=info: ledger.stack_as_markdown(i)))  # type: ignore[misc]
    return parts


def rules_of_reviews() -> str:
    """Return the table of the rules by which a review judges."""
    from infra.review.model import LEVELS, RULES

    ordered = sorted(RULES.items(), key=lambda each: -LEVELS.index(each[1][0]))
    rows = [f"| {level} | `{name}` | {meaning} |" for name, (level, meaning) in ordered]
    return "\n".join(["| risk | rule | it is met when |", "|---|---|---|", *rows])


def holders_of_data() -> str:
    """Return the table of what holds data, and what can protect it."""
    from infra.review.holders import PROTECTIONS
    from infra.terraform import DATA_HOLDERS

    rows = [f"| `{kind}` | {', '.join(PROTECTIONS.get(kind, {})) or 'nothing'} |" for kind in sorted(DATA_HOLDERS)]
    return "\n".join(["| resource type | what can protect it |", "|---|---|", *rows])


def schema_of_reviews() -> str:
    """Return the JSON Schema of reviews."""
    import json

    from infra.review.document import schema

    return json.dumps(schema(), indent=1) + "\n"


def update(*, write: bool) -> list[Path]:
    """Bring the generated parts up to date; return the files that were stale.

    Parameters
    ----------
    write : bool
        False only looks.

    Raises
    ------
    OrreryError
        A file lacks its markers.
    """
    stale: list[Path] = []
    for file, marker, produce in generated():
        text = file.read_text() if marker or file.exists() else ""
        try:
            wanted = merged(text, marker, produce())
        except ValueError as error:
            raise OrreryError(f"{file.relative_to(ROOT)}: {error}", next_step="put the markers back") from error
        if wanted != text:
            stale.append(file)
            if write:
                file.write_text(wanted)
    return stale
