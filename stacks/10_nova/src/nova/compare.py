"""Whether the warehouse has what the shop has: row for row, value for value, type for type, and every version.

Both sides are read in the order of their keys, some thousand rows at a time. Values are brought to one form for each
kind of column, and no further: a number is no text, 0.0 is not -0.0, an empty text is not null, and nor is JSON's
``null``. What counts as the same: JSON documents with other blanks or another order of names, and times in other
zones at the same moment. Of MySQL's zero dates, which no other database has, the warehouse has what Debezium makes of
them: null, or 1970-01-01 in a column that may not be null.

Histories are compared with the truth (`nova.source`): of each key, the same versions in the same order, each as long
as in the truth, and all versions of a transaction from the same position on, which no other transaction has. A
history begins with the snapshot, so what the truth has from before it may be missing; then the transactions that made
it are missing everywhere.

``python -m nova.compare --history`` logs the differences; the shop has to be at rest, and all of it merged.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

from jobs.metrics import log
from nova.source import KEYS, TRUTH, Column, Session, SourceError
from nova.views import MOST_DIGITS

Key = tuple[Any, ...]
Values = tuple[Any, ...]
PAGE = 50_000
"""Rows that are asked of the warehouse at a time."""
EPOCH = date(1970, 1, 1)
MISSING = "(no row)"
TYPES = {
    "integer": ("FIXED",),
    "decimal": ("FIXED",),
    "double": ("REAL",),
    "text": ("TEXT",),
    "bytes": ("BINARY",),
    "json": ("VARIANT",),
    "boolean": ("BOOLEAN",),
    "date": ("DATE",),
    "time": ("TIME",),
    "local": ("TIMESTAMP_NTZ",),
    "instant": ("TIMESTAMP_TZ", "TIMESTAMP_LTZ"),
    "other": ("TEXT",),
}
"""Snowflake's types for each kind of column."""


@dataclass(frozen=True)
class Difference:
    """Something that is not the same.

    Parameters
    ----------
    table : str
    key : str
        The row, or nothing where the whole table is meant.
    column : str
        The column, or ``(row)``, ``(type)``, ``(versions)``, ``(valid_from)``, ``(valid_to)``, ``(transaction)``.
    source, target : str
        What each side has.
    """

    table: str
    key: str
    column: str
    source: str
    target: str


@dataclass
class Comparison:
    """What was compared, and what was found.

    Parameters
    ----------
    rows, versions : dict
        How many were compared of each table.
    count : int
        How many differences there are.
    differences : list of Difference
        The first `most` of them.
    wrong : Counter
        How many there are of a table, of its ``rows`` or its ``versions``.
    what : str
        Which of the two is being compared.
    """

    most: int = 100
    rows: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    count: int = 0
    differences: list[Difference] = field(default_factory=list)
    wrong: Counter[tuple[str, str]] = field(default_factory=Counter)
    what: str = "rows"

    def add(self, table: str, key: Key | None, column: str, source: Any, target: Any) -> None:
        """Note a difference."""
        self.count += 1
        self.wrong[table, self.what] += 1
        if len(self.differences) < self.most:
            name = "" if key is None else "/".join(str(part) for part in key)
            self.differences.append(Difference(table, name, column, _shown(source), _shown(target)))


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


# -- values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strange:
    """A value of a type that its column can't have; it equals nothing of the right type."""

    type: str
    text: str


def from_source(column: Column, value: Any) -> Any:
    """Return a value of the source in the form in which it is compared."""
    if value is None:
        return None
    if column.kind == "boolean" and isinstance(value, bytes):
        value = value != b"\0"
    elif column.kind == "time" and isinstance(value, timedelta):
        value = (datetime.min + value).time() if timedelta(0) <= value < timedelta(days=1) else str(value)
    elif column.kind in ("date", "local") and isinstance(value, str) and value.startswith("0000-00-00"):
        if column.nullable:
            return None
        return EPOCH if column.kind == "date" else datetime(1970, 1, 1)
    elif column.kind == "instant" and isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return canonical(column, value)


def canonical(column: Column, value: Any) -> Any:
    """Return a value in the one form that its kind has; `Strange` for what a column of that kind can't hold."""
    if value is None:
        return None
    return _FORMS[column.kind](value)


def _only(*types: type, then: Callable[[Any], Any] = lambda value: value) -> Callable[[Any], Any]:
    def form(value: Any) -> Any:
        # By its very type: True is an int, and a point in time a date, to Python only.
        return then(value) if type(value) in types else Strange(type(value).__name__, str(value))

    return form


def _local(value: datetime) -> Any:
    return value if value.tzinfo is None else Strange("datetime with a zone", str(value))


def _instant(value: datetime) -> Any:
    return Strange("datetime without a zone", str(value)) if value.tzinfo is None else value.astimezone(UTC)


def _document(text: str) -> Any:
    try:
        return _plain(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    except ValueError:
        return Strange("no JSON", text)


def _plain(value: Any) -> Any:
    """Return a document so that what differs in JSON differs in Python: true is not 1, and an object is no list."""
    if isinstance(value, dict):
        return ("object", {name: _plain(one) for name, one in value.items()})
    if isinstance(value, list):
        return ("list", tuple(_plain(one) for one in value))
    if isinstance(value, Decimal):
        return ("number", value)
    if isinstance(value, str):
        return ("text", value)
    return ("word", str(value))


_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _only(int),
    "decimal": _only(int, Decimal, then=Decimal),
    "double": _only(float, then=repr),
    "text": _only(str),
    "bytes": _only(bytes, bytearray, then=bytes),
    "json": _only(str, then=_document),
    "boolean": _only(bool),
    "date": _only(date),
    "time": _only(time),
    "local": _only(datetime, then=_local),
    "instant": _only(datetime, then=_instant),
    "other": str,
}


# -- the two sides --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetType:
    """A column's type in the warehouse.

    Parameters
    ----------
    name : str
        As Snowflake's protocol has it: ``FIXED``, ``REAL``, ``TEXT``, …
    precision, scale : int
        Of ``FIXED``.
    """

    name: str
    precision: int = 0
    scale: int = 0

    def fits(self, column: Column) -> bool:
        """Tell whether this is the type for a column of the source."""
        if column.kind == "decimal" and not 0 < column.precision <= MOST_DIGITS:  # 0: PostgreSQL's, without an end
            return self.name == "TEXT"
        if self.name not in TYPES[column.kind]:
            return False
        if column.kind == "decimal":
            return (self.precision, self.scale) == (column.precision, column.scale)
        return column.kind != "integer" or (self.scale == 0 and 10**self.precision > max(-column.low, column.high))

    def __str__(self) -> str:
        return f"{self.name}({self.precision},{self.scale})" if self.name == "FIXED" else self.name


class Target:
    """The warehouse's side.

    Parameters
    ----------
    connection : Connection
        Of Snowflake's client.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def types(self, view: str) -> dict[str, TargetType]:
        """Return the columns of a view, in lower case, and their types; none if it does not exist."""
        from snowflake.connector.constants import FIELD_ID_TO_NAME
        from snowflake.connector.errors import ProgrammingError

        cursor = self.connection.cursor()
        try:
            cursor.execute(f"select * from {view} limit 0")
        except ProgrammingError as error:
            if error.errno in (2003, 2043):  # there is none, or not for this role
                return {}
            raise
        return {
            each.name.lower(): TargetType(
                FIELD_ID_TO_NAME[each.type_code], int(each.precision or 0), int(each.scale or 0)
            )
            for each in cursor.description
        }

    def count(self, view: str) -> int:
        """Return how many rows a view has."""
        return int(self.connection.cursor().execute(f"select count(*) from {view}").fetchone()[0])

    def rows(self, view: str, columns: Sequence[str], order: Sequence[str]) -> Iterator[Values]:
        """Yield all rows in an order in which no two have the same place; some thousand are in memory at a time."""
        places = [columns.index(name) for name in order]
        after, values = "true", list[Any]()
        while True:
            cursor = self.connection.cursor()
            cursor.execute(
                f"select {', '.join(columns)} from {view} where {after} order by {', '.join(order)} limit {PAGE}",
                values or None,
            )
            last: Values | None = None
            for count, row in enumerate(cursor, start=1):
                yield tuple(row)
                if count == PAGE:
                    last = tuple(row)
            if last is None:
                return
            after, values = beyond(order, [last[place] for place in places])


def beyond(order: Sequence[str], values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the condition for all rows that come after one, and the values in it."""
    parts, given = [], []
    for end in range(len(order)):
        parts.append("(" + " and ".join([*(f"{name} = %s" for name in order[:end]), f"{order[end]} > %s"]) + ")")
        given += [*values[:end], values[end]]
    return f"({' or '.join(parts)})", given


# -- rows as they are now -------------------------------------------------------------------------------------------


def compare_rows(session: Session, target: Target, found: Comparison) -> None:
    """Compare the current rows of all tables.

    Parameters
    ----------
    session : Session
        Of the shop; it reads all tables as they are at one moment.
    target : Target
    found : Comparison
        Receives what is found.
    """
    found.what = "rows"
    session.begin(snapshot=True)
    try:
        for table, key in KEYS.items():
            found.rows[table] = 0
            columns = session.columns(table)
            view = f"nova_shop.{table}"
            types = target.types(view)
            compare_types(table, columns, types, found)
            compared = [each for each in columns if each.name in types]
            names = [each.name for each in compared]
            if not {*key} <= {*names}:
                continue
            of_source = session.stream(f"select {', '.join(names)} from {table} order by {', '.join(key)}")
            of_target = _Counted(target.rows(view, names, key))
            found.rows[table] = compare_ordered(table, key, compared, of_source, of_target, found)
            # Pages begin behind a key, so a row that is there twice may have been left out.
            if (held := target.count(view)) != of_target.count:
                found.add(table, None, "(row)", f"{of_target.count} keys", f"{held} rows: some are there twice")
    finally:
        session.rollback()


def compare_types(table: str, columns: Sequence[Column], types: Mapping[str, TargetType], found: Comparison) -> None:
    """Compare the columns' types with those that the warehouse has."""
    if not types:
        found.add(table, None, "(type)", f"{len(columns)} columns", "no such view")
    for each in columns:
        if types and each.name not in types:
            found.add(table, None, f"(type) {each.name}", each.declared, "no such column")
        elif types and not types[each.name].fits(each):
            found.add(table, None, f"(type) {each.name}", each.declared, str(types[each.name]))


class _Counted:
    """Rows, and how many were taken of them."""

    def __init__(self, rows: Iterable[Values]) -> None:
        self.rows = iter(rows)
        self.count = 0

    def __iter__(self) -> Iterator[Values]:
        return self

    def __next__(self) -> Values:
        row = next(self.rows)
        self.count += 1
        return row


def compare_ordered(
    table: str,
    key: Sequence[str],
    columns: Sequence[Column],
    of_source: Iterable[Values],
    of_target: Iterable[Values],
    found: Comparison,
) -> int:
    """Compare rows that come in the order of their keys, and return how many the source has.

    Parameters
    ----------
    table : str
    key : sequence of str
    columns : sequence of Column
        Of the rows, in their order.
    of_source, of_target : iterable of tuple
    found : Comparison
    """
    places = [[each.name for each in columns].index(name) for name in key]
    left = ((_key(row, places), row) for row in of_source)
    right = ((_key(row, places), row) for row in of_target)
    count = 0
    mine, theirs = next(left, None), next(right, None)
    while mine or theirs:
        if theirs is None or (mine is not None and mine[0] < theirs[0]):
            assert mine is not None
            found.add(table, mine[0], "(row)", "a row", MISSING)
            count, mine = count + 1, next(left, None)
        elif mine is None or theirs[0] < mine[0]:
            found.add(table, theirs[0], "(row)", MISSING, "a row")
            theirs = next(right, None)
        else:
            compare_row(table, mine[0], columns, mine[1], theirs[1], found)
            count, mine, theirs = count + 1, next(left, None), next(right, None)
    return count


def compare_row(
    table: str, key: Key, columns: Sequence[Column], source: Values, target: Values, found: Comparison
) -> None:
    """Compare the values of one row."""
    for column, one, other in zip(columns, source, target, strict=True):
        here, there = from_source(column, one), canonical(column, other)
        if type(here) is not type(there) or here != there:
            found.add(table, key, column.name, here, there)


def _key(row: Values, places: Sequence[int]) -> Key:
    values = (row[place] for place in places)
    return tuple(int(value) if isinstance(value, Decimal) else value for value in values)


# -- histories ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """What a transaction made of a row, by the truth; `row` is None when it deleted it."""

    tx: str
    op: str
    row: Values | None


@dataclass(frozen=True)
class Version:
    """A version of a row, by the warehouse; positions are the source's, `until` is None while it holds."""

    since: int
    until: int | None
    kind: str
    row: Values


@dataclass
class Transactions:
    """Which position each transaction has, and which the history has not seen."""

    position: dict[str, int] = field(default_factory=dict)
    at: dict[int, str] = field(default_factory=dict)
    unseen: dict[str, tuple[str, Key]] = field(default_factory=dict)

    def agree(self, tx: str, position: int) -> bool:
        """Tell whether a transaction is at a position, as far as either is known; note it when it is new."""
        return self.position.setdefault(tx, position) == position and self.at.setdefault(position, tx) == tx


def compare_histories(session: Session, target: Target, found: Comparison, *, whole: bool = False) -> None:
    """Compare the histories of all tables with the truth.

    Parameters
    ----------
    session : Session
    target : Target
    found : Comparison
        Receives what is found.
    whole : bool
        The snapshot was of an empty shop: all that the truth has must be there.
    """
    known = Transactions()
    found.what = "versions"
    session.begin(snapshot=True)
    try:
        for table, key in KEYS.items():
            found.versions[table] = _compare_history(session, target, table, key, known, found)
    finally:
        session.rollback()
    settle(known, found, whole=whole)


def settle(known: Transactions, found: Comparison, *, whole: bool) -> None:
    """Tell of transactions that are there in part only; with `whole`, also of those that are not there at all."""
    for tx, (table, key) in known.unseen.items():
        if whole or tx in known.position:
            there = f"at {known.position[tx]}, without this row" if tx in known.position else "nothing of it"
            found.add(table, key, "(transaction)", tx, there)


def _compare_history(
    session: Session, target: Target, table: str, key: Sequence[str], known: Transactions, found: Comparison
) -> int:
    now = {each.name: each for each in session.columns(table)}
    view = f"nova_history.{table}"
    types = target.types(view)
    # What may be null in the source decides, not in the truth, where everything may.
    ever = [now.get(each.name, each) for each in session.columns(TRUTH + table) if each.name not in ("seq", "tx", "op")]
    compare_types(table, [each for each in ever if each.name in now], types, found)
    columns = [each for each in ever if each.name in types]
    names = [each.name for each in columns]
    if not {*key, "valid_from", "valid_to", "version_kind"} <= {*types, *names}:
        return 0
    places = [names.index(name) for name in key]
    listed = ", ".join(names)
    truth = session.stream(f"select {listed}, tx, op from {TRUTH}{table} order by {', '.join(key)}, seq")
    own = ["valid_from", "valid_to", "version_kind"]
    versions = target.rows(view, [*names, *own], [*key, "valid_from"])
    left = ((each, list(rows)) for each, rows in groupby(truth, lambda row: _key(row, places)))
    right = ((each, list(rows)) for each, rows in groupby(versions, lambda row: _key(row, places)))
    count = 0
    mine, theirs = next(left, None), next(right, None)
    while mine or theirs:
        this = min(each[0] for each in (mine, theirs) if each is not None)
        states = versions_of = []
        if mine is not None and mine[0] == this:
            states = _states(mine[1])
            mine = next(left, None)
        if theirs is not None and theirs[0] == this:
            versions_of = [_version(row) for row in theirs[1]]
            theirs = next(right, None)
        compare_versions(table, this, columns, states, versions_of, known, found)
        count += len(versions_of)
    return count


def _states(rows: Iterable[Values]) -> list[State]:
    """Return what each transaction made of a row in the end; nothing for one that made it and deleted it."""
    states: list[State] = []
    for *row, tx, op in rows:
        first = states.pop().op if states and states[-1].tx == tx else op
        states.append(State(tx, first, None if op == "d" else tuple(row)))
    alive = False
    kept = []
    for each in states:
        if each.row is not None or alive or each.op != "c":
            kept.append(each)
        alive = each.row is not None
    return kept


def _version(row: Values) -> Version:
    *values, since, until, kind = row
    return Version(int(since), None if until is None else int(until), str(kind), tuple(values))


def compare_versions(
    table: str,
    key: Key,
    columns: Sequence[Column],
    states: Sequence[State],
    versions: Sequence[Version],
    known: Transactions,
    found: Comparison,
) -> None:
    """Compare the versions of one row with what the truth has of it.

    Parameters
    ----------
    table : str
    key : tuple
    columns : sequence of Column
        Of the rows.
    states : sequence of State
        In the order of the commits.
    versions : sequence of Version
        In the order of their positions.
    known : Transactions
    found : Comparison
    """
    for one, other in pairwise(versions):
        if one.until is None or one.until > other.since:
            found.add(table, key, "(valid_to)", f"the next is valid from {other.since}", one.until)
    folded = _without_readings(versions)
    alive = [place for place, each in enumerate(states) if each.row is not None]
    missing = len(alive) - len(folded)
    read_first = bool(folded) and folded[0].kind != "transaction"
    # A row that was there before the truth began: the snapshot read it, and the truth knows only what became of it.
    unknown = read_first and missing == -1 and (not states or states[0].op != "c")
    if unknown:
        _end(table, key, folded[0], states[0] if states else None, known, found)
        folded, missing = folded[1:], 0
    if missing < 0:
        found.add(table, key, "(versions)", f"{len(alive)} versions", f"{len(folded)}")
        return
    begin = alive[missing] if missing < len(alive) else len(states)
    # Only a snapshot, or a deletion before it, hides what was before.
    if missing and not read_first and begin and states[begin - 1].row is not None:
        found.add(table, key, "(versions)", f"{len(alive)} versions", f"{len(folded)}")
        return
    for each in states[: 0 if unknown else begin + read_first]:
        known.unseen.setdefault(each.tx, (table, key))
    for version, place in zip(folded, alive[missing:], strict=True):
        state = states[place]
        assert state.row is not None
        compare_row(table, key, columns, state.row, version.row, found)
        if version.kind == "transaction" and not known.agree(state.tx, version.since):
            found.add(table, key, "(valid_from)", f"{state.tx} at {known.position[state.tx]}", version.since)
        _end(table, key, version, states[place + 1] if place + 1 < len(states) else None, known, found)


def _end(
    table: str, key: Key, version: Version, following: State | None, known: Transactions, found: Comparison
) -> None:
    """Compare where a version ends with where the truth's next state begins."""
    if following is None:
        if version.until is not None:
            found.add(table, key, "(valid_to)", "still valid", version.until)
    elif version.until is None:
        found.add(table, key, "(valid_to)", f"ended by {following.tx}", "still valid")
    elif not known.agree(following.tx, version.until):
        found.add(table, key, "(valid_to)", f"{following.tx} at {known.position[following.tx]}", version.until)


def _without_readings(versions: Sequence[Version]) -> list[Version]:
    """Leave out versions that came from reading a row again, when it was the same row: they end nothing.

    They are there where a column came with a default or got another name: no transaction changed the row.
    """
    kept: list[Version] = []
    for each in versions:
        if kept and each.kind != "transaction" and kept[-1].until == each.since:
            before = kept.pop()
            each = Version(before.since, each.until, before.kind, before.row)
        kept.append(each)
    return kept


# -- the command line -----------------------------------------------------------------------------------------------


def compare(
    session: Session, target: Target, *, history: bool = True, whole: bool = False, most: int = 100
) -> Comparison:
    """Compare the shop with the warehouse.

    Parameters
    ----------
    session : Session
    target : Target
    history : bool
        Whether the histories are compared with the truth too.
    whole : bool
        The histories have to have all that the truth has.
    most : int
        How many differences are kept; all are counted.
    """
    found = Comparison(most)
    compare_rows(session, target, found)
    if history:
        compare_histories(session, target, found, whole=whole)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: 0 when all is the same, 1 when not or on an error."""
    from nova import source, warehouse

    parser = argparse.ArgumentParser(prog="python -m nova.compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--history", action="store_true", help="also every version")
    parser.add_argument("--whole", action="store_true", help="no version may be missing: the shop was empty at first")
    parser.add_argument("--most", type=int, default=100, help="how many differences are told (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        with source.opened() as session, warehouse.opened() as store:
            target = Target(store.connection)
            found = compare(session, target, history=given.history, whole=given.whole, most=given.most)
    except SourceError as error:
        log("error", "failed", error=str(error))
        return 1
    return _tell(found)


def _tell(found: Comparison) -> int:
    for each in found.differences:
        log("warning", "difference", **asdict(each))
    for what, counts in (("rows", found.rows), ("versions", found.versions)):
        for table, count in counts.items():
            wrong = found.wrong[table, what]
            seen = f"{count:,} {what}" + (f", {wrong:,} differences" if wrong else ", all the same")
            log("info", "compared", name=f"{table}: {what} as in the shop", ok=not wrong, seen=seen)
    if found.count:
        first = found.differences[0]
        where = f"{first.table} {first.key} {first.column}".replace("  ", " ")
        log(
            "error",
            "differs",
            error=f"the warehouse is not as the shop, in {found.count:,} places; the first: {where}: "
            f"{first.source} in the shop, {first.target} in the warehouse",
        )
    return 1 if found.count else 0


if __name__ == "__main__":
    raise SystemExit(main())
