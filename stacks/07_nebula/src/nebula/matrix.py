"""The bus matrix and the grain statements, made of the dbt project's own metadata and checked against its tests.

``python -m nebula.matrix --write`` brings the README's part up to date (environment ``nebula`` or ``test``: it needs
PyYAML, and no dbt). A fact is joined to a dimension where a ``relationships`` test says so, and a grain counts where a
test says that its columns are unique: so the matrix can't promise what no test holds.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[2]
README = HOME / "README.md"
MARKER = "bus matrix"


@dataclass(frozen=True)
class Table:
    """A mart as its metadata describes it.

    Parameters
    ----------
    name, grain, kind, process, scd : str
        As ``meta`` says; empty where it doesn't.
    grain_columns : tuple of str
        The columns that make a row, by ``meta``.
    unique : frozenset of tuple of str
        The columns that are unique, by tests.
    joins : dict
        Each dimension with the columns that lead to it, by ``relationships`` tests.
    bridges : dict
        Each bridge with how it is joined, by ``meta``.
    keys : tuple of str
        Columns that look like keys of dimensions: ``…_key``, but for durable ones.
    """

    name: str
    grain: str = ""
    kind: str = ""
    process: str = ""
    scd: str = ""
    grain_columns: tuple[str, ...] = ()
    unique: frozenset[tuple[str, ...]] = frozenset()
    joins: dict[str, list[str]] = field(default_factory=dict)
    bridges: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


def load(folder: Path = HOME / "dbt" / "models" / "marts") -> list[Table]:
    """Read all tables of a folder of dbt's YAML files, views without a grain left out."""
    import yaml  # type: ignore[import-untyped]  # of another environment than mypy

    found = []
    for file in sorted(folder.glob("*.yml")):
        for model in yaml.safe_load(file.read_text())["models"]:
            meta = model.get("config", {}).get("meta", {})
            if meta or model.get("config", {}).get("contract"):
                found.append(_table(model, meta))
    return found


def _table(model: dict[str, Any], meta: dict[str, Any]) -> Table:
    unique: set[tuple[str, ...]] = set()
    joins: dict[str, list[str]] = {}
    for column in model.get("columns", []):
        for test in column.get("data_tests", []):
            if test == "unique":
                unique.add((column["name"],))
            elif isinstance(test, dict) and "relationships" in test:
                target = re.sub(r"ref\('(\w+)'\)", r"\1", test["relationships"]["arguments"]["to"])
                joins.setdefault(target, []).append(column["name"])
    for test in model.get("data_tests", []):
        if isinstance(test, dict) and "unique_together" in test:
            unique.add(tuple(test["unique_together"]["arguments"]["columns"]))
    keys = [column["name"] for column in model.get("columns", [])]
    return Table(
        model["name"],
        **{name: str(meta.get(name, "")) for name in ("grain", "kind", "process", "scd")},
        grain_columns=tuple(meta.get("grain_columns", ())),
        unique=frozenset(unique),
        joins=joins,
        bridges=dict(meta.get("bridges", {})),
        keys=tuple(name for name in keys if name.endswith("_key") and not name.endswith("_durable_key")),
    )


def problems(tables: list[Table]) -> list[str]:
    """Return what the metadata says that no test holds, or leaves out."""
    found, names = [], {table.name for table in tables}
    for table in tables:
        if not table.grain:
            found.append(f"{table.name} states no grain")
        if table.grain_columns not in table.unique:
            found.append(f"{table.name}: no test says that {', '.join(table.grain_columns) or 'its grain'} is unique")
        joined = {column for columns in table.joins.values() for column in columns}
        if table.kind:
            found += [f"{table.name}.{key} has no relationships test" for key in table.keys if key not in joined]
        unknown = [*(set(table.joins) - names), *(set(table.bridges) - names)]
        found += [f"{table.name} is joined to {name}, which is no table with a grain" for name in unknown]
    return found


def as_markdown(tables: list[Table]) -> str:
    """Return the bus matrix, then the grain of each table."""
    facts = [table for table in tables if table.process]
    dimensions = [table for table in tables if not table.kind]
    bridges = [table for table in tables if table.kind == "bridge"]
    lines = [
        f"| process | fact | kind | {' | '.join(f'`{each.name}`' for each in dimensions)} |",
        f"|---|---|---|{'---|' * len(dimensions)}",
    ]
    for fact in facts:
        bridged = {name for each in bridges if each.name in fact.bridges for name in each.joins}
        cells = [
            "over the bridge" if each.name in bridged else _cell(fact.joins.get(each.name, [])) for each in dimensions
        ]
        lines.append(f"| {fact.process} | `{fact.name}` | {fact.kind} | {' | '.join(cells)} |")
    lines += ["", "| table | one row is | unique by | slowly changing columns |", "|---|---|---|---|"]
    for each in facts + dimensions + bridges:
        grain, columns = each.grain.removeprefix("one row for "), ", ".join(f"`{name}`" for name in each.grain_columns)
        lines.append(f"| `{each.name}` | {grain} | {columns} | {each.scd} |")
    return "\n".join(lines)


def _cell(columns: list[str]) -> str:
    """Say how a fact is joined: a mark, or the roles where a dimension plays several."""
    roles = [name.removesuffix("_key").removesuffix("_date").replace("date", "") for name in columns]
    return "✓" if len(columns) == 1 else ", ".join(roles)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 1 where the README is stale or the metadata has problems."""
    from infra.docs import replace_between

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the README's part instead of only looking")
    chosen = parser.parse_args(arguments)
    tables = load()
    found = problems(tables)
    text = README.read_text()
    wanted = replace_between(text, MARKER, as_markdown(tables))
    if wanted != text and chosen.write:
        README.write_text(wanted)
    elif wanted != text:
        found.append("README.md is stale: run python -m nebula.matrix --write")
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
