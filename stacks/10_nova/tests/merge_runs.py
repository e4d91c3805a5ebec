"""Land and merge the lives of model shops, each up to the first thing that is wrong. Run by the environment ``snowflake``.

Reads one life a line from stdin, ``[seed, source]`` or ``[seed, source, old, new]``, which spoils a statement; the name of a
mishap (`mishaps`) may stand for the seed. Answers each with a line: what is wrong, and how many merges there were.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from operator import itemgetter
from pathlib import Path
from typing import Any

from mishaps import MISHAPS, Topics
from model import Model, run
from nova import merge, warehouse
from nova.load import Message
from nova.warehouse import Warehouse

LOADED = "nova_core.current_rows"
ROOT = Path(__file__).resolve().parents[3]
DATABASE = "nova"
KEPT = ["nova_landing.messages"] + [
    f"nova_core.{name}"
    for name in (
        "changes",
        "transactions",
        "transaction_parts",
        "notifications",
        "progress",
        "plan",
        "batch",
        "versions",
        "current_rows",
        "merges",
    )
]


BEGINS = itemgetter(0)
"""By what versions are put in order: when they begin."""


def rows_now(store: Warehouse) -> dict[tuple[str, int], Any]:
    found = store.query(f"select source_table, row_key, to_json(image) from {LOADED}")
    return {(table, json.loads(key)["id"]): json.loads(image or "null") for table, key, image in found}


def check_now(store: Warehouse, model: Model) -> None:
    """What is visible is the state after one transaction, whole, and the one that the progress names."""
    position = store.number("select position from nova_core.progress")
    found = rows_now(store)
    if position is None:
        assert not found, "something is visible before the snapshot is whole"
        return
    right = [state for at, state, _ in model.commits if at <= position]
    assert right, f"merged up to {position}, before the snapshot"
    assert found == right[-1], f"at {position}: {difference(found, right[-1])}"


def difference(found: dict[Any, Any], right: dict[Any, Any]) -> str:
    wrong = [key for key in {*found, *right} if found.get(key) != right.get(key)]
    return "; ".join(f"{key}: {found.get(key)} instead of {right.get(key)}" for key in wrong[:3])


def check_versions(store: Warehouse, model: Model) -> None:
    """Every committed version of every row is there, in order, and holds as long as it should."""
    rows = store.query("select source_table, row_key, valid_from, valid_to, to_json(image) from nova_core.versions")
    found: dict[tuple[str, int], list[tuple[int, int | None, Any]]] = {}
    for table, key, begins, ends, image in rows:
        version = int(begins), None if ends is None else int(ends), json.loads(image or "null")
        found.setdefault((table, json.loads(key)["id"]), []).append(version)
    right: dict[tuple[str, int], list[tuple[int, int | None, Any]]] = {}
    first, state, _ = model.commits[0]
    changes = [(first, dict(state))] + [(at, touched) for at, _, touched in model.commits[1:]]
    for at, touched in changes:
        for place, row in touched.items():
            versions = right.setdefault(place, [])
            if versions and versions[-1][1] is None:
                versions[-1] = (versions[-1][0], at, versions[-1][2])
            if row is not None:
                versions.append((at, None, row))
    right = {place: versions for place, versions in right.items() if versions}
    assert {place: sorted(each, key=BEGINS) for place, each in found.items()} == right, difference(found, right)


def forget(store: Warehouse) -> None:
    """Begin a new life: empty tables are quicker than new ones."""
    for each in KEPT:
        store.query(f"delete from {each}")
    for statement in warehouse.setup_statements():
        if "insert into" in statement:
            store.query(statement)


def land(raw: Any, batch: list[Message], number: int) -> None:
    """Put messages where the loader puts them."""
    rows = [(each.topic, each.partition, each.offset, each.key, each.value, each.produced_ms, number) for each in batch]
    raw.executemany(f"insert into {DATABASE}.nova_landing.messages values (?, ?, ?, ?, ?::json, ?, ?)", rows)


def live(store: Warehouse, raw: Any, seed: int, source: str, statements: list[str]) -> int:
    """Land and merge one life; return how often something was merged."""
    model = run(seed, source)
    warehouse.merge_statements = lambda: statements  # type: ignore[assignment]
    forget(store)
    merges = 0
    for number, batch in enumerate(model.messages(), start=1):
        land(raw, batch, number)
        while merge.merge(store).until is not None:
            merges += 1
            check_now(store, model)
        check_now(store, model)
    assert store.number("select position from nova_core.progress") == model.commits[-1][0], "not all is merged"
    check_versions(store, model)
    left = store.number("select count(*) from nova_core.changes")
    assert left == 0, f"{left} changes are left over"
    return merges


def suffer(store: Warehouse, raw: Any, name: str, source: str, statements: list[str]) -> None:
    """Let a mishap happen; in the end all is as in the shop, and nothing waits."""
    warehouse.merge_statements = lambda: statements  # type: ignore[assignment]
    forget(store)
    model = Model(5, source)
    topics = Topics(model, store, raw, land)
    MISHAPS[name](topics)
    topics.land()
    found = rows_now(store)
    assert found == model.state, difference(found, model.state)
    assert topics.left() == 0, f"{topics.left()} changes are left over"


def opened() -> tuple[Warehouse, Any]:
    """A warehouse in memory, with the mends of the local cloud's, and the database beneath it."""
    spec = importlib.util.spec_from_file_location("mends", ROOT / "infra" / "local" / "snowflake_server.py")
    assert spec and spec.loader
    mends = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mends)
    mends.mend(mends.FakeSnowflakeCursor)
    instance = mends.FakeSnow()
    store = Warehouse(instance.connect(DATABASE, "nova_core"))
    warehouse.make(store)
    return store, instance.duck_conn.cursor()


def main() -> None:
    right = warehouse.merge_statements()
    store, raw = opened()
    for line in sys.stdin:
        seed, source, *spoil = json.loads(line)
        statements = [each.replace(*spoil) for each in right] if spoil else right
        answer: dict[str, Any] = {"wrong": "", "merges": 0}
        if spoil and statements == right:
            answer["wrong"] = f"there is nothing to spoil: {spoil[0]}"
        else:
            try:
                if isinstance(seed, str):
                    suffer(store, raw, seed, source, statements)
                else:
                    answer["merges"] = live(store, raw, seed, source, statements)
            except AssertionError as error:
                answer["wrong"] = f"wrong: {error}"
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
