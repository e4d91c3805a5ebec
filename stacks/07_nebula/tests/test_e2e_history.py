"""The history is proven, not believed: random changes, late and doubled, in any order, with killed runs.

The SQL is what dbt ran for an incremental run, taken from its own folder and executed in DuckDB for each example; what
it must come to is said by history_oracle.py. At the end, mistakes are planted in that SQL, and each must be found.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import history_oracle as oracle
import pytest
from hypothesis import HealthCheck, Phase, find, given, note, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from nebula import generate

from conftest import HOME, Pipeline
from infra import envs

pytestmark = pytest.mark.e2e
Example = dict[str, Any]
Answer = dict[str, list[list[Any]]]
Ask = Callable[[Example, list[list[str]]], Answer]

CUSTOMERS, PRODUCTS, MOMENTS = ("101", "102", "103"), ("A", "B", "C", "D"), 8
TOLD_OF = 2  # of the first two of each somebody tells; the others are known from where they were seen
COUNTRIES, SEGMENTS, NAMES = ("France", "Spain"), ("consumer", "corporate"), ("MUG", "JUG")
MODELS = 10


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Return what answers an example: a child that has the empty warehouse and the SQL of an incremental run."""
    folder = tmp_path_factory.mktemp("history")
    pipeline, empty = Pipeline(folder), folder / "empty" / "n.duckdb"
    pipeline.ok("--no-tests")
    empty.parent.mkdir()
    shutil.copy(folder / "n.duckdb", empty)
    generate.Shop(folder / "data", lines=50, days=1).write()
    pipeline.ok("--no-tests", "--data", folder / "data")
    command = [envs.ensure("nebula"), "-P", HOME / "tests" / "history_runs.py", empty, folder / "work" / "target"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

        def answer(example: Example, mistakes: list[list[str]]) -> Answer:
            assert child.stdin and child.stdout
            child.stdin.write(json.dumps({"runs": runs_of(example), "mistakes": mistakes}) + "\n")
            child.stdin.flush()
            told = child.stdout.readline()
            assert told, "the child ended: its own words are above"
            return dict(json.loads(told))

        yield answer
        child.communicate()


def moment(hour: int) -> str:
    return f"2024-01-01 {8 + hour:02}:00:00"


hours = st.integers(0, MOMENTS - 1).map(moment)
customer_changes = st.fixed_dictionaries(
    {
        "member": st.sampled_from(CUSTOMERS[:TOLD_OF]),
        "at": hours,
        "deleted": st.booleans(),
        "email": st.sampled_from(["a@example.com", "b@example.com"]),
        "country": st.sampled_from(COUNTRIES),
        "city": st.just("Lyon"),
        "segment": st.sampled_from(SEGMENTS),
    }
)
product_changes = st.fixed_dictionaries(
    {
        "member": st.sampled_from(PRODUCTS[:TOLD_OF]),
        "at": hours,
        "deleted": st.booleans(),
        "supplier": st.sampled_from(["North", "South"]),
        "description": st.sampled_from(NAMES),
        "category": st.sampled_from(["kitchen", "garden"]),
    }
)
sales = st.fixed_dictionaries(
    {
        "customer": st.sampled_from([*CUSTOMERS, ""]),
        "product": st.sampled_from(PRODUCTS),
        "at": hours,
        "country": st.sampled_from(COUNTRIES),
        "description": st.sampled_from(NAMES),
    }
)
events = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["700001", "700002", "700003", "700004"]),
        "event": st.sampled_from(["placed", "paid", "shipped"]),
        "at": hours,
        "customer": st.sampled_from([*CUSTOMERS, ""]),
    }
)


@st.composite
def examples(draw: st.DrawFn, least: int = 0) -> Example:
    """Records of each feed, each in one to two of up to four batches; the batches in runs, in any order, some killed."""
    records: list[tuple[str, dict[str, Any]]] = []
    for feed, kind, most in (
        ("customer_changes", customer_changes, 8),
        ("product_changes", product_changes, 5),
        ("sales_lines", sales, 12),
        ("order_events", events, 6),
    ):
        for record in draw(st.lists(kind, min_size=least, max_size=most)):
            records.append((feed, record | {"number": len(records)}))
    count = draw(st.integers(1, 4))
    places = [draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=2)) for _ in records]
    order = draw(st.permutations(range(count)))
    runs: list[tuple[list[int], int | None]] = []
    for batch in order:
        if runs and draw(st.booleans()):
            runs[-1][0].append(batch)  # two deliveries in one run
        else:
            runs.append(([batch], draw(st.none() | st.integers(1, MODELS))))
    return {"records": records, "places": places, "runs": runs}


def runs_of(example: Example) -> list[dict[str, Any]]:
    """Return the runs as the child wants them; a last one makes good what was killed."""
    made = []
    for batches, killed_after in example["runs"]:
        listed = []
        for batch in batches:
            feeds: dict[str, list[list[Any]]] = {}
            for (feed, record), places in zip(example["records"], example["places"], strict=True):
                if batch in places:
                    feeds.setdefault(feed, []).append(raw(feed, record))
            listed.append([batch, feeds])
        made.append({"batches": listed, "killed_after": killed_after})
    return [*made, {"batches": [], "killed_after": None}]


def raw(feed: str, record: dict[str, Any]) -> list[Any]:
    """Return a record as its file has it."""
    number, at = str(record["number"]), record["at"]
    if feed == "customer_changes":
        image = ["Somebody", *(record[name] for name in ("email", "country", "city", "segment"))]
        return [record["member"], at, number, str(record["deleted"]), *([""] * 5 if record["deleted"] else image)]
    if feed == "product_changes":
        image = [record[name] for name in ("description", "category", "supplier")]
        return [record["member"], at, number, str(record["deleted"]), *([""] * 3 if record["deleted"] else image)]
    if feed == "sales_lines":
        line = [record["product"], record["description"], "1", at, "2.5", record["customer"], record["country"]]
        return [f"{500000 + record['number']}", *line]
    return [record["order"], record["event"], at, record["customer"]]


def expected(example: Example) -> Answer:
    """Return what the tables must hold."""
    told: dict[str, list[dict[str, Any]]] = {}
    for feed, record in example["records"]:
        told.setdefault(feed, []).append(record)
    lines, orders = told.get("sales_lines", []), told.get("order_events", [])
    found: Answer = {"customers": [], "products": [], "sales": [], "orders": []}
    histories: dict[str, list[dict[str, Any]]] = {}
    for member in CUSTOMERS:
        changes = [each for each in told.get("customer_changes", []) if each["member"] == member]
        seen = [(each["at"], each["country"]) for each in lines if each["customer"] == member]
        seen += [(each["at"], None) for each in orders if each["customer"] == member]
        if changes or seen:
            history = oracle.versions(changes, seen, ["country", "city", "segment"], "country")
            histories[member] = history
            mail = oracle.last_image(changes, "email")
            found["customers"] += [
                [*head(member, each), each["country"], each["city"], each["segment"], history[-1]["segment"], mail]
                for each in history
            ]
    for member in PRODUCTS:
        changes = [each for each in told.get("product_changes", []) if each["member"] == member]
        seen = [(each["at"], each["description"]) for each in lines if each["product"] == member]
        if changes or seen:
            history = oracle.versions(changes, seen, ["description", "category"], "description")
            histories[member] = history
            supplier = oracle.last_image(changes, "supplier")
            found["products"] += [
                [*head(member, each), each["description"], each["category"], history[-1]["category"], supplier]
                for each in history
            ]
    for line in lines:
        keys = [valid(histories, line["customer"], line["at"]), valid(histories, line["product"], line["at"])]
        found["sales"].append([f"{500000 + line['number']}", line["at"], *keys])
    for order in {each["order"] for each in orders}:
        mine = [each for each in orders if each["order"] == order]
        at = min([each["at"] for each in mine if each["event"] == "placed"] or [each["at"] for each in mine])
        found["orders"].append([order, valid(histories, max(each["customer"] for each in mine), at)])
    return found | {name: sorted(found[name]) for name in ("sales", "orders")}


def head(member: str, version: dict[str, Any]) -> list[Any]:
    key = oracle.key_of(f"{member}|{version['from']}")
    return [key, member, version["from"], version["to"], version["inferred"], version["deleted"]]


def valid(histories: dict[str, list[dict[str, Any]]], member: str, at: str) -> int:
    """Return the key of the one version that is valid at a moment."""
    if not member:
        return -1
    (version,) = [each for each in histories[member] if each["from"] <= at < each["to"]]
    return oracle.key_of(f"{member}|{version['from']}")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(example=examples())
def test_histories_are_what_the_oracle_says_whatever_comes_when(ask: Ask, example: Example) -> None:
    note(json.dumps(runs_of(example), indent=1))
    answer, wanted = ask(example, []), expected(example)
    for rows in (answer["customers"], answer["products"]):
        for member in {row[1] for row in rows}:
            mine = [row for row in rows if row[1] == member]
            ends = [oracle.BEGINNING, *(row[3] for row in mine)]
            assert [row[2] for row in mine] == ends[:-1] and ends[-1] == oracle.FOREVER, "a gap or an overlap"
            assert all(row[2] < row[3] for row in mine)
    assert answer == wanted


KEYS_OF_TOUCHED = (
    'select cast((\'0x\' || substr(md5(customer_id), 1, 15)) as bigint) from "n"."nebula_core"."touched_customers"'
)
MISTAKES = {
    "a version ends a moment too late": [
        ["marts/fact_sales", "lines.invoiced_at < customers.valid_to", "lines.invoiced_at <= customers.valid_to"]
    ],
    "a version begins a moment too late": [
        ["marts/fact_sales", "lines.invoiced_at >= products.valid_from", "lines.invoiced_at > products.valid_from"]
    ],
    "facts keep the key of a version that was split": [["marts/fact_sales", KEYS_OF_TOUCHED, "select 0"]],
    "orders keep the key of a version that was split": [["marts/fact_order_fulfilment", KEYS_OF_TOUCHED, "select 0"]],
    "only the batch's own changes make the history": [
        [
            "marts/dim_customer",
            "where customer_id in (select customer_id from touched)",
            'where batch_id in (select batch_id from "n"."nebula_raw"."batches" where built_at is null)',
        ]
    ],
    "versions that are no more stay": [["marts/dim_customer", "where fresh.version_hash is null", "where false"]],
    "the newest change closes the version, wherever it belongs": [
        [
            "marts/dim_product",
            "lead(valid_from) over (partition by stock_code order by valid_from)",
            "case when false then valid_from end",
        ]
    ],
    "a deletion forgets the last image": [
        [
            "marts/dim_customer",
            "partition by customer_id, image order by",
            "partition by customer_id, changed_at order by",
        ]
    ],
    "a correction of the same moment loses": [
        ["marts/dim_customer", "order by change_no desc", "order by change_no"],
    ],
    "an inferred member stays as it was first seen": [
        ["marts/dim_customer", "and coalesce(versions.is_inferred, true)", "and versions.is_inferred is null"]
    ],
    "equal versions side by side": [["marts/dim_product", "where place = 1\n", "where true or place = 1\n"]],
    "the current segment is the first one": [
        ["marts/dim_customer", "order by valid_from desc rows", "order by valid_from rows"]
    ],
    "a type 1 column follows its version's image": [
        ["marts/dim_customer", "case when is_deleted then 1 else 0 end, changed_at desc", "changed_at"]
    ],
}
"""Mistakes that somebody could make, each with the change of the SQL that makes it."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(ask: Ask, mistake: str) -> None:
    try:
        find(
            examples(least=4),
            lambda example: ask(example, MISTAKES[mistake]) != expected(example),
            settings=settings(
                max_examples=60,
                deadline=None,
                phases=[Phase.generate],
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except NoSuchExample:
        pytest.fail(f"no history shows it: {mistake}")
