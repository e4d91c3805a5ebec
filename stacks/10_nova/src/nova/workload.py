"""A shop that lives: seeded transactions over several tables, by several sessions at once.

Each transaction leaves the shop in order: an order's ``total`` is the sum of its lines, its ``paid`` the sum of its
payments and never more than the total. So whoever sees half a transaction sees a sum that is wrong. What a
transaction did to a row it writes into the row's ``truth_`` table too, after the change and so with the row's lock in
hand: the numbers of the truth rise, for each key, in the order of the commits, whatever other sessions do. (Between
keys they say nothing; the transaction's name does.)

``run`` can be killed at any moment and started again: what was not committed has not happened, and a run has keys of
its own.

``python -m nova.workload fill``, ``run`` and ``alter``; which database, says `nova.source`.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from itertools import count
from typing import Any

from jobs.metrics import log
from nova import source
from nova.source import KEYS, TRUTH, Column, Session, Settings, SourceError

Row = dict[str, Any]
Key = tuple[Any, ...]

ZONES = tuple(source.ZONES)
"""The sessions' time zones: what is in a column with time zone must not depend on them."""
HIGHEST = 2**64
OWN = 2**62
"""Keys of half of the orders are above this and far above what a signed number of 64 bits can be."""
POOL = 20_000
BATCH = 500
"""Most rows of one statement."""
AWAY_S = 60.0
CENT = Decimal("0.0001")

TEXTS = (
    "",
    " ",
    "plain",
    "trailing blanks  ",
    "Grüße, naïve café",
    "cafe\u0301 and n\u0303",  # combining marks: other bytes than é and ñ
    "🎉👩‍👩‍👧‍👦🏳️‍🌈",
    "日本語テキスト",
    "שלום עולם",
    "quote ' double \" back \\ slash",
    "line\nbreak\ttab\r\nend",
    "null",
    "NULL",
    "\\N",
    "0",
    "{}",
    "a,b;c|d",
    "\u200bzero\u200dwidth\ufeff",
    "ﬁ ligature İıſ",
    "\x01\x1f\x7f\x85",
)
DOUBLES = (
    0.0,
    -0.0,
    1.0,
    0.1,
    1 / 3,
    -1e-7,
    1e22,
    123456789.12345679,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
)
DOCUMENTS: tuple[Any, ...] = (
    {},
    [],
    None,
    True,
    0,
    "",
    "emoji 🎉 and cafe\u0301",
    {"a": None, "b": [1, 2.5, -3], "c": {"d": ""}},
    {"large": 9007199254740993, "exact": 0.1, "nested": [[[]]]},
    {"z": 1, "a": 2, "Ä": "ö", "": "no name"},
    [True, False, None, "null", "\\", '"', "line\nbreak"],
)
INSTANTS = (
    datetime(1970, 1, 2),
    datetime(2000, 2, 29, 23, 59, 59, 999999),
    datetime(2024, 3, 31, 2, 30, 0, 1),  # an hour that many zones skip
    datetime(2038, 1, 17, 3, 14, 7, 120000),
)
LOCALS = (
    datetime(1753, 1, 1),
    datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime(2024, 2, 29, 12, 0, 0, 1),
    datetime(9999, 12, 31, 23, 59, 59, 999999),
)
DATES = (
    date(1753, 1, 1),
    date(1900, 2, 28),
    date(1969, 12, 31),
    date(1970, 1, 1),
    date(2024, 2, 29),
    date(9999, 12, 31),
)
TIMES = (clock(0, 0), clock(0, 0, 0, 1), clock(12, 34, 56, 789000), clock(23, 59, 59, 999999))
ZERO_DATE = "0000-00-00"


@dataclass
class Shared:
    """What the sessions of a run share.

    Parameters
    ----------
    most : int
        After how many changes of rows to stop; 0 means never.
    rate : float
        Changes of rows a second, all sessions together; 0 means as fast as it goes.
    until : float
        When to stop, in seconds of the monotonic clock.
    """

    most: int = 0
    rate: float = 0.0
    until: float = float("inf")
    stop: threading.Event = field(default_factory=threading.Event)
    orders: list[int] = field(default_factory=list)
    customers: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    failed: list[BaseException] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, **more: int) -> None:
        """Add to the counts of all sessions."""
        with self._lock:
            self.counts.update(more)

    def is_over(self) -> bool:
        """Tell whether a session has to end."""
        done = bool(self.most) and self.counts["changes"] >= self.most
        return self.stop.is_set() or done or time.monotonic() >= self.until

    def pace(self) -> None:
        """Wait until the next transaction is due."""
        if self.rate:
            due = self.started + self.counts["changes"] / self.rate
            self.stop.wait(max(0.0, min(due, self.until) - time.monotonic()))


class Values:
    """Values for the shop's columns, many of them at the edge of what the column may hold.

    Parameters
    ----------
    engine : str
        ``mysql`` or ``postgresql``.
    dice : Random
        Chooses.
    """

    def __init__(self, engine: str, dice: random.Random) -> None:
        self.engine = engine
        self.dice = dice

    def of(self, column: Column) -> Any:
        """Return a value for a column."""
        if column.nullable and self.dice.random() < 0.15:
            return None
        make: Callable[[Column], Any] = getattr(self, f"_{column.kind}")
        return make(column)

    def money(self, most: int = 10_000) -> Decimal:
        """Return an amount with four digits behind the point."""
        return Decimal(self.dice.randrange(1, most * 10_000)) * CENT

    def _integer(self, column: Column) -> int:
        edge = self.dice.choice((column.low, column.high, 0, 1))
        return edge if self.dice.random() < 0.3 else self.dice.randint(max(column.low, -1000), min(column.high, 1000))

    def _decimal(self, column: Column) -> Decimal:
        most = 10**column.precision - 1
        number = self.dice.choice(
            (most, -most, 0, 1, -1, self.dice.randint(-most, most), self.dice.randint(-99999, 99999))
        )
        return Decimal(number).scaleb(-column.scale)

    def _double(self, column: Column) -> float | str:
        value = self.dice.choice(DOUBLES) if self.dice.random() < 0.4 else self.dice.uniform(-1e6, 1e6)
        return value if self.engine == "mysql" else repr(value)  # a bare -0.0 would be a decimal, without the sign

    def _text(self, column: Column) -> str:
        text = self.dice.choice(TEXTS)
        if self.dice.random() < 0.3:
            text += f" {self.dice.randrange(10**6)} "
        return text[: column.length] if column.length else text

    def _bytes(self, column: Column) -> bytes:
        most = min(column.length or 200, 200)
        return self.dice.choice((b"", b"\0", b"\0\0\xff", b"'\\\"%", self.dice.randbytes(self.dice.randint(1, most))))

    def _json(self, column: Column) -> str:
        document = self.dice.choice(DOCUMENTS)
        return json.dumps(document, ensure_ascii=self.dice.random() < 0.5)

    def _boolean(self, column: Column) -> bool:
        return self.dice.random() < 0.5

    def _date(self, column: Column) -> date | str:
        if self.engine == "mysql" and self.dice.random() < 0.1:
            return ZERO_DATE
        return self.dice.choice(DATES)

    def _time(self, column: Column) -> clock:
        return self.dice.choice(TIMES)

    def _local(self, column: Column) -> datetime:
        if self.dice.random() < 0.3:
            return self.dice.choice(LOCALS)
        return datetime(2020, 1, 1) + timedelta(microseconds=self.dice.randrange(10**14))

    def _instant(self, column: Column) -> datetime:
        if self.dice.random() < 0.3:
            return self.dice.choice(INSTANTS)
        return datetime(2020, 1, 1) + timedelta(microseconds=self.dice.randrange(10**14))


class Ledger:
    """Changes of rows, each with its truth, within the transactions of one session.

    Parameters
    ----------
    session : Session
    values : Values
    name : str
        How the transactions of this session are named in the truth: this, a dash and a number.
    """

    def __init__(self, session: Session, values: Values, name: str) -> None:
        self.session = session
        self.values = values
        self.name = name
        self.number = 0
        self.changes = 0
        self.columns: dict[str, list[Column]] = {}
        self.read_columns()

    def read_columns(self) -> None:
        """Look what columns the tables have: somebody may have altered them."""
        self.columns = {table: self.session.columns(table) for table in KEYS}
        if missing := [table for table, columns in self.columns.items() if not columns]:
            raise SourceError(
                f"the shop has no table {', '.join(missing)}: make the tables with 'python -m nova.source make'"
            )

    @property
    def tx(self) -> str:
        """Return the name of the transaction."""
        return f"{self.name}-{self.number}"

    def begin(self) -> None:
        """Begin the next transaction."""
        self.number += 1
        self.changes = 0
        self.session.begin()

    def row(self, table: str, **given: Any) -> Row:
        """Return a new row: what is given, and for all other columns something."""
        own = {"revision": 1, **given}
        return {
            each.name: own[each.name] if each.name in own else self.values.of(each)
            for each in self.columns[table]
            if each.name != "changed_at"
        }

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, all with the same columns."""
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            names = list(part[0])
            one = f"({', '.join(['%s'] * len(names))}, {self.session.now})"
            statement = f"insert into {table} ({', '.join(names)}, changed_at) values {', '.join([one] * len(part))}"
            self.session.execute(statement, [row[name] for row in part for name in names])
            self._truth(table, "c", [tuple(row[name] for name in KEYS[table]) for row in part])

    def update(self, table: str, key: Key, changes: Mapping[str, Any]) -> bool:
        """Update a row; return whether it was there. It gets another revision, so that no update is none."""
        names = [*changes, "revision", "changed_at"]
        values = [*("%s" for _ in changes), "revision + 1", self.session.now]
        sets = ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))
        where, keys = _where(table, [key])
        if not self.session.execute(f"update {table} set {sets} where {where}", [*changes.values(), *keys]):
            return False
        after = tuple(changes.get(name, old) for name, old in zip(KEYS[table], key, strict=True))
        if after != key:
            self._deleted(table, [key])
        self._truth(table, "u" if after == key else "c", [after])
        return True

    def delete(self, table: str, keys: Sequence[Key]) -> None:
        """Delete rows that are there and locked."""
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            where, values = _where(table, part)
            self.session.execute(f"delete from {table} where {where}", values)
            self._deleted(table, part)

    def _truth(self, table: str, op: str, keys: Sequence[Key]) -> None:
        names = ", ".join(each.name for each in self.columns[table])
        where, values = _where(table, keys)
        into = f"insert into {TRUTH}{table} (tx, op, {names})"
        self.session.execute(f"{into} select %s, %s, {names} from {table} where {where}", [self.tx, op, *values])
        self.changes += len(keys)

    def _deleted(self, table: str, keys: Sequence[Key]) -> None:
        one = f"({', '.join(['%s'] * (2 + len(KEYS[table])))})"
        into = f"insert into {TRUTH}{table} (tx, op, {', '.join(KEYS[table])})"
        values = [value for key in keys for value in (self.tx, "d", *key)]
        self.session.execute(f"{into} values {', '.join([one] * len(keys))}", values)
        self.changes += len(keys)


def _where(table: str, keys: Sequence[Key]) -> tuple[str, list[Any]]:
    """Return the condition for some rows, by which either engine uses its index, and the values in it."""
    names = KEYS[table]
    values = [value for key in keys for value in key]
    if len(names) == 1:
        return f"{names[0]} in ({', '.join(['%s'] * len(keys))})", values
    one = " and ".join(f"{name} = %s" for name in names)
    return " or ".join([f"({one})"] * len(keys)), values


class Clerk:
    """One session of the shop: it does what the dice say.

    Parameters
    ----------
    settings : Settings
    shared : Shared
    run, number : int
        The run of the workload, and the session in it.
    seed : int
        What the dice say.
    orders_each : int
        How many orders a transaction takes that takes orders; more are faster.
    calm : bool
        Only new orders and payments, no rollbacks or long transactions: a load to measure with.
    """

    def __init__(
        self,
        settings: Settings,
        shared: Shared,
        run: int,
        number: int,
        seed: int,
        *,
        orders_each: int = 1,
        calm: bool = False,
    ) -> None:
        self.settings = settings
        self.shared = shared
        self.dice = random.Random(f"{seed}/{number}")
        self.values = Values(settings.engine, self.dice)
        self.number = number
        self.name = f"{run}-{number}"
        self.next_id = (run * 64 + number) << 32
        self.orders_each = orders_each
        self.gone: list[tuple[str, int]] = []
        moves: list[tuple[float, Callable[[], None]]] = [(4, self.take_orders), (2, self.take_payment)]
        if not calm:
            moves += [
                (2, self.change_lines),
                (2, self.change_customer),
                (1, self.new_customers),
                (0.5, self.delete_customer),
                (0.5, self.delete_order),
                (0.5, self.renumber_order),
                (0.5, self.renumber_line),
                (0.5, self.renumber_customer),
                (0.5, self.bring_back),
            ]
        self.weights = [weight for weight, _ in moves]
        self.moves = [move for _, move in moves]
        self.rough = 0.0 if calm else 0.15
        self.ledger = self._log_in()

    def _log_in(self) -> Ledger:
        session = Session(self.settings, ZONES[self.number % len(ZONES)])
        return Ledger(session, self.values, self.name)

    # -- the life of a session ------------------------------------------------------------------------------------

    def work(self) -> None:
        """Do transaction after transaction, until it is over."""
        try:
            while not self.shared.is_over():
                self.shared.pace()
                if not self.shared.is_over():
                    self._try()
        except BaseException as error:
            self.shared.failed.append(error)
            self.shared.stop.set()
        finally:
            self.ledger.session.close()

    def _try(self) -> None:
        errors = self.ledger.session.errors()
        try:
            self.transaction()
        except errors as error:
            what = _failure(error)
            self.shared.count(**{what: 1})
            if what == "lost":
                self._come_back()
                return
            if what == "refused":
                raise SourceError(f"the shop's database refused: {error}") from error
            self.ledger.session.rollback()
            if what == "altered":
                self.ledger.read_columns()

    def _come_back(self) -> None:
        """Log in again: the server was restarted, or the connection cut."""
        number = self.ledger.number
        errors: tuple[type[Exception], ...] = (SourceError, *self.ledger.session.errors())
        give_up = time.monotonic() + AWAY_S
        while not self.shared.is_over():
            try:
                self.ledger = self._log_in()
                self.ledger.number = number
                return
            except errors:
                if time.monotonic() > give_up:
                    raise
                self.shared.stop.wait(0.2)

    def transaction(self) -> None:
        """Do one transaction: mostly one thing, at times many, at times none of it in the end."""
        ledger, session, luck = self.ledger, self.ledger.session, self.dice.random()
        ledger.begin()
        self._move()
        if luck < self.rough / 3:  # a long one: others commit meanwhile
            for _ in range(self.dice.randrange(3, 8)):
                self.shared.stop.wait(0.02)
                self._move()
        elif luck < self.rough * 2 / 3:
            session.execute("savepoint before_a_change_of_mind")
            kept = ledger.changes
            self._move()
            session.execute("rollback to savepoint before_a_change_of_mind")
            ledger.changes = kept
            self._move()
        if self.rough * 2 / 3 <= luck < self.rough:
            session.rollback()
            self.shared.count(rollbacks=1)
            return
        session.commit()
        self.shared.count(changes=ledger.changes, transactions=1 if ledger.changes else 0)

    def _move(self) -> None:
        self.dice.choices(self.moves, self.weights)[0]()

    def _new_id(self) -> int:
        self.next_id += 1
        return self.next_id if self.next_id % 2 else HIGHEST - self.next_id

    def _remember(self, pool: list[int], new: Sequence[int]) -> None:
        for each in new:
            if len(pool) < POOL:
                pool.append(each)
            else:
                pool[self.dice.randrange(POOL)] = each

    # -- what happens in a shop -----------------------------------------------------------------------------------

    def take_orders(self) -> None:
        """Take new orders, with their lines and, of half of them, a payment."""
        orders, lines, payments = [], [], []
        for _ in range(self.orders_each):
            number = self._new_id()
            mine = [self._line(number, place) for place in range(1, self.dice.randrange(2, 6))]
            total = sum((line["amount"] for line in mine), Decimal(0))
            paid = Decimal(0)
            if self.dice.random() < 0.5:
                paid = total if self.dice.random() < 0.5 else (total / 2).quantize(CENT)
                payments.append(self._payment(number, paid))
            customer = self.dice.choice(self.shared.customers) if self.shared.customers else self._new_id()
            orders.append(self.ledger.row("orders", id=number, customer_id=customer, total=total, paid=paid))
            lines += mine
        self.ledger.insert("orders", orders)
        self.ledger.insert("order_lines", lines)
        if payments:
            self.ledger.insert("payments", payments)
        self._remember(self.shared.orders, [row["id"] for row in orders])

    def _line(self, order: int, place: int) -> Row:
        quantity, price = self.dice.randrange(1, 100), self.values.money()
        own = {"order_id": order, "line_no": place, "quantity": quantity, "unit_price": price}
        return self.ledger.row("order_lines", **own, amount=quantity * price)

    def _payment(self, order: int, amount: Decimal) -> Row:
        reference = f"{self.dice.choice(('PAY', 'pay', 'Zahlung-ü', '支払'))}/{self._new_id():x}"
        return self.ledger.row("payments", reference=reference, order_id=order, amount=amount)

    def _locked(self, number: int) -> tuple[Decimal, Decimal] | None:
        found = self.ledger.session.query("select total, paid from orders where id = %s for update", (number,))
        return (Decimal(found[0][0]), Decimal(found[0][1])) if found else None

    def _some_order(self) -> tuple[int, Decimal, Decimal] | None:
        """Lock an order that is there, and return it with its total and what is paid."""
        for _ in range(5):
            if not self.shared.orders:
                return None
            number = self.dice.choice(self.shared.orders)
            if found := self._locked(number):
                return number, *found
        return None

    def take_payment(self) -> None:
        """Take a payment for an order, at most what is still due."""
        if not (found := self._some_order()):
            self.take_orders()
            return
        number, total, paid = found
        if (due := total - paid) <= 0:
            self.ledger.update("orders", (number,), self._some_changes("orders"))
            return
        amount = due if due < 1 or self.dice.random() < 0.5 else (due / 3).quantize(CENT)
        self.ledger.insert("payments", [self._payment(number, amount)])
        self.ledger.update("orders", (number,), {"paid": paid + amount})

    def change_lines(self) -> None:
        """Add a line to an order, take one away or change its quantity."""
        if not (found := self._some_order()):
            return
        number, total, paid = found
        lines = self.ledger.session.query("select line_no, amount from order_lines where order_id = %s", (number,))
        luck = self.dice.random()
        if luck < 0.4 or not lines:
            place = max((int(place) for place, _ in lines), default=0) + 1
            line = self._line(number, place)
            self.ledger.insert("order_lines", [line])
            total += line["amount"]
        else:
            place, amount = self.dice.choice(sorted(lines))
            if luck < 0.6 and total - amount >= paid:
                self.ledger.delete("order_lines", [(number, place)])
                total -= amount
            else:
                line = self._line(number, int(place))
                if total - amount + line["amount"] < paid:
                    return
                new = {name: line[name] for name in ("quantity", "unit_price", "amount")}
                self.ledger.update("order_lines", (number, place), {**self._some_changes("order_lines"), **new})
                total += line["amount"] - amount
        self.ledger.update("orders", (number,), {"total": total})

    def _some_changes(self, table: str) -> Row:
        """Return new values for some columns that no other column depends on."""
        fixed = {*KEYS[table], *FIXED}
        free = [each for each in self.ledger.columns[table] if each.name not in fixed]
        return {
            each.name: self.values.of(each) for each in self.dice.sample(free, self.dice.randint(1, min(3, len(free))))
        }

    def change_customer(self) -> None:
        """Change something about a customer."""
        if self.shared.customers:
            key = self.dice.choice(self.shared.customers)
            self.ledger.update("customers", (key,), self._some_changes("customers"))

    def new_customers(self) -> None:
        """Welcome a customer or three."""
        rows = [self.ledger.row("customers", id=self._new_id()) for _ in range(self.dice.randint(1, 3))]
        self.ledger.insert("customers", rows)
        self._remember(self.shared.customers, [row["id"] for row in rows])

    def _without_orders(self) -> int | None:
        """Lock a customer who has no orders, and return the number."""
        for _ in range(5):
            if not self.shared.customers:
                return None
            number = self.dice.choice(self.shared.customers)
            there = self.ledger.session.query("select 1 from customers where id = %s for update", (number,))
            if there and not self.ledger.session.query(
                "select 1 from orders where customer_id = %s limit 1", (number,)
            ):
                return number
        return None

    def delete_customer(self) -> None:
        """Forget a customer who has no orders."""
        if (number := self._without_orders()) is not None:
            self.ledger.delete("customers", [(number,)])
            self.gone.append(("customers", number))

    def renumber_customer(self) -> None:
        """Give a customer who has no orders another number: the key of a row changes."""
        if (number := self._without_orders()) is not None:
            new = self._new_id()
            self.ledger.update("customers", (number,), {"id": new})
            self._remember(self.shared.customers, [new])
            self.gone.append(("customers", number))

    def delete_order(self) -> None:
        """Delete an order with its lines and payments."""
        if found := self._some_order():
            number = found[0]
            self.ledger.delete("order_lines", self._keys_of("order_lines", number))
            self.ledger.delete("payments", self._keys_of("payments", number))
            self.ledger.delete("orders", [(number,)])
            self.gone.append(("orders", number))

    def renumber_order(self) -> None:
        """Give an order another number, and all its lines with it: keys change in three tables."""
        if found := self._some_order():
            number, new = found[0], self._new_id()
            self.ledger.update("orders", (number,), {"id": new})
            for key in self._keys_of("order_lines", number):
                self.ledger.update("order_lines", key, {"order_id": new})
            for key in self._keys_of("payments", number):
                self.ledger.update("payments", key, {"order_id": new})
            self._remember(self.shared.orders, [new])
            self.gone.append(("orders", number))

    def renumber_line(self) -> None:
        """Let two lines of an order change places, by way of a third; with one line, move it."""
        if found := self._some_order():
            keys = self._keys_of("order_lines", found[0])
            if not keys:
                return
            number, free = found[0], max(int(place) for _, place in keys) + 1
            one, other = keys[0], keys[-1]
            self.ledger.update("order_lines", one, {"line_no": free})
            if one != other:
                self.ledger.update("order_lines", other, {"line_no": one[1]})
                self.ledger.update("order_lines", (number, free), {"line_no": other[1]})

    def bring_back(self) -> None:
        """Use the number of a row again that was deleted."""
        if not self.gone:
            return
        table, number = self.gone.pop(self.dice.randrange(len(self.gone)))
        if self.ledger.session.query(f"select 1 from {table} where id = %s", (number,)):
            return  # it was a rollback that deleted it
        if table == "customers":
            self.ledger.insert("customers", [self.ledger.row("customers", id=number)])
            self._remember(self.shared.customers, [number])
            return
        line = self._line(number, 1)
        row = self.ledger.row("orders", id=number, customer_id=self._new_id(), total=line["amount"], paid=Decimal(0))
        self.ledger.insert("orders", [row])
        self.ledger.insert("order_lines", [line])
        self._remember(self.shared.orders, [number])

    def _keys_of(self, table: str, number: int) -> list[Key]:
        names = ", ".join(KEYS[table])
        return sorted(
            self.ledger.session.query(f"select {names} from {table} where order_id = %s for update", (number,))
        )


FIXED = ("customer_id", "order_id", "quantity", "unit_price", "amount", "total", "paid", "revision", "changed_at")
"""Columns that are changed only together with others."""

LOST = {0, 1053, 1927, 2003, 2006, 2013, 2014, 2055}
TURNED_BACK = {1020, 1205, 1213}
ALTERED = {1054, 1136, 1146, 1364, 1366, 1406, 1412}


def _failure(error: Exception) -> str:
    """Tell what an error of the database means: ``lost``, ``turned_back``, ``altered`` or ``refused``."""
    state = str(getattr(error, "sqlstate", None) or "")
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    if isinstance(error, OSError) or number in LOST or state[:2] in ("08", "57"):
        return "lost"
    if number in TURNED_BACK or state in ("40001", "40P01", "55P03"):
        return "turned_back"
    if number in ALTERED or state in ("42703", "42P01", "23502", "22001", "0A000", "42804"):
        return "altered"
    # A connection that breaks leaves psycopg without a state, and PyMySQL without a number.
    if type(error).__name__ in ("OperationalError", "InterfaceError") and not state and not number:
        return "lost"
    return "refused"


def run(
    settings: Settings,
    *,
    seed: int,
    sessions: int = 3,
    shared: Shared | None = None,
    orders_each: int = 1,
    calm: bool = False,
) -> Counter[str]:
    """Let the shop live for a while.

    Parameters
    ----------
    settings : Settings
    seed : int
        What happens; with one session it is the same each time, as far as the shop was the same before.
    sessions : int
        How many work at once, at most 64.
    shared : Shared, optional
        How much and how fast.
    orders_each : int
        How many orders a transaction takes that takes orders.
    calm : bool
        Only new orders and payments.

    Returns
    -------
    Counter
        ``changes`` of rows and ``transactions`` that were committed, ``rollbacks``, and how often a session was
        ``turned_back`` (a deadlock), ``lost`` its server or found a table ``altered``.

    Raises
    ------
    SourceError
        The database is away for longer than a minute, or refuses what the workload does.
    """
    shared = shared or Shared()
    number = _new_run(settings, seed, shared)
    clerks = [
        Clerk(settings, shared, number, each, seed, orders_each=orders_each, calm=calm) for each in range(sessions)
    ]
    threads = [threading.Thread(target=clerk.work, name=f"clerk-{clerk.number}") for clerk in clerks]
    shared.started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # in pieces, so that a signal is heard
    if shared.failed:
        raise shared.failed[0]
    return shared.counts


def _new_run(settings: Settings, seed: int, shared: Shared) -> int:
    """Note the run in the shop, look who and what is there, and return the run's number."""
    with source.opened(settings) as session:
        try:
            session.execute("insert into runs (seed) values (%s)", (seed,))
        except session.errors() as error:
            if _failure(error) == "altered":
                raise SourceError("the shop has no tables: make them with 'python -m nova.source make'") from error
            raise
        number = int(session.query("select max(id) from runs")[0][0])
        shared.orders += [int(row[0]) for row in session.query(f"select id from orders order by id limit {POOL}")]
        shared.customers += [int(row[0]) for row in session.query(f"select id from customers order by id limit {POOL}")]
    return number


def fill(settings: Settings, rows: int, *, seed: int, truth: bool = True) -> int:
    """Fill the shop with many rows, by copies that the database makes of some thousand.

    Parameters
    ----------
    settings : Settings
    rows : int
        How many rows at least, of all tables together.
    seed : int
        What the first ones are.
    truth : bool
        Whether the rows stand in the truth too. Without it, it is faster, and their histories begin with a change.

    Returns
    -------
    int
        How many rows it made.
    """
    shared = Shared()
    number = _new_run(settings, seed, shared)
    clerk = Clerk(settings, shared, number, 63, seed, orders_each=min(1_000, max(1, rows // 6)), calm=True)
    ledger, session = clerk.ledger, clerk.ledger.session
    ledger.begin()
    customers = [ledger.row("customers", id=clerk._new_id()) for _ in range(min(300, rows // 10 + 1))]
    ledger.insert("customers", customers)
    shared.customers[:] = [row["id"] for row in customers]
    clerk.take_orders()
    session.commit()
    first = ledger.number
    made = block = ledger.changes
    for copy in count(1):
        if made >= rows:
            break
        ledger.number += 1
        session.begin()
        for table in KEYS:
            _copy(ledger, table, f"{clerk.name}-{first}", copy, truth=truth)
        session.commit()
        made += block
    session.close()
    return made


STEP = 1 << 20
"""Numbers of a copy are this much further; odd ones grow, even ones, which count from the top, shrink."""


def _copy(ledger: Ledger, table: str, tx: str, copy: int, *, truth: bool) -> None:
    """Copy the rows that a transaction made, under other keys."""
    names = [each.name for each in ledger.columns[table]]
    step = copy * STEP

    def far(name: str) -> str:
        if name in ("id", "order_id", "customer_id"):
            return f"case when {name} > {OWN} then {name} - {step} else {name} + {step} end"
        if name == "reference":
            return f"concat({name}, '+{copy}')"
        return ledger.session.now if name == "changed_at" else name

    values = ", ".join(far(name) for name in names)
    listed = ", ".join(names)
    chosen = f"from {TRUTH}{table} where tx = %s and op = 'c'"
    ledger.session.execute(f"insert into {table} ({listed}) select {values} {chosen}", (tx,))
    if truth:
        into = f"insert into {TRUTH}{table} (tx, op, {listed})"
        where = " and ".join(f"own.{name} = {_qualified(far(name), name)}" for name in KEYS[table])
        own = ", ".join(f"own.{name}" for name in names)
        ledger.session.execute(
            f"{into} select %s, 'c', {own} from {TRUTH}{table} truth join {table} own on {where} "
            "where truth.tx = %s and truth.op = 'c'",
            (ledger.tx, tx),
        )


def _qualified(expression: str, name: str) -> str:
    return expression.replace(name, f"truth.{name}")


# -- schema changes -------------------------------------------------------------------------------------------------

ALTERATIONS = ("add", "drop", "rename", "widen")


def alter(
    session: Session, what: str, table: str, column: str, *, to: str = "", declared: str = "", default: str = ""
) -> list[str]:
    """Alter a table and its truth, also while others work; return the statements.

    The truth is altered first, where it gets something more, so that no change is without its place there. What is
    dropped from the table stays in the truth.

    Parameters
    ----------
    session : Session
    what : str
        ``add``, ``drop``, ``rename`` or ``widen``.
    table, column : str
    to : str
        The new name, of ``rename``.
    declared : str
        The type, of ``add`` and ``widen``.
    default : str
        An SQL expression, of ``add``: what rows get that are there already.

    Raises
    ------
    SourceError
        There is no such table or column, or too little is said.
    """
    if table not in KEYS:
        raise SourceError(f"there is no table {table!r} in the shop; there are {', '.join(KEYS)}")
    columns = {each.name: each for each in session.columns(table)}
    if (column in columns) == (what == "add"):
        raise SourceError(f"{table} has {'already a' if what == 'add' else 'no'} column {column}")
    if column in (*KEYS[table], *FIXED):
        raise SourceError(f"the shop can't do without {column} of {table}")
    if (what == "rename" and not to) or (what in ("add", "widen") and not declared):
        raise SourceError(f"{what} needs {'--to, the new name' if what == 'rename' else '--type'}")
    done = _alterations(session, what, table, column, to, declared, default)
    for statement in done:
        session.execute(statement)
    return done


def _alterations(
    session: Session, what: str, table: str, column: str, to: str, declared: str, default: str
) -> list[str]:
    known = {each.name: each for each in session.columns(TRUTH + table)}
    truth = TRUTH + table
    if what == "drop":
        return [f"alter table {table} drop column {column}"]
    if what == "add":
        rest = f" default {default}" if default else ""
        more = [] if column in known else [f"alter table {truth} add column {column} {declared} null"]
        if default:  # for the truth's next rows; those that it has were without it
            more.append(f"alter table {truth} alter column {column} set default {default}")
        return [*more, f"alter table {table} add column {column} {declared} null{rest}"]
    if what == "rename":
        old = next(each for each in session.columns(table) if each.name == column)
        kind = source.truth_type(old)
        more = [] if to in known else [f"alter table {truth} add column {to} {kind}"]
        if session.engine == "mysql":  # MySQL 5.7 has no 'rename column'
            return [*more, f"alter table {table} change column {column} {to} {kind}"]
        return [*more, f"alter table {table} rename column {column} to {to}"]
    old = next(each for each in session.columns(table) if each.name == column)
    if session.engine == "mysql":
        filled = "" if old.nullable else " not null"
        return [
            f"alter table {truth} modify column {column} {declared} null",
            f"alter table {table} modify column {column} {declared}{filled}",
        ]
    return [f"alter table {each} alter column {column} type {declared}" for each in (truth, table)]


# -- the command line -----------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.action(Settings.from_environment(), given))
    except SourceError as error:
        log("error", "failed", error=str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nova.workload", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True)

    running = commands.add_parser("run", help="let the shop live")
    running.add_argument("--seed", type=int, default=1)
    running.add_argument(
        "--sessions", type=_from(1, 60), default=3, help="how many work at once (default: %(default)s)"
    )
    running.add_argument("--changes", type=_from(0), default=0, help="end after so many changes of rows")
    running.add_argument("--seconds", type=float, default=0.0, help="end after so many seconds")
    running.add_argument(
        "--rate", type=float, default=0.0, help="changes of rows a second (default: as fast as it goes)"
    )
    running.add_argument("--orders-each", type=_from(1, 1000), default=1, help="orders that one transaction takes")
    running.add_argument("--calm", action="store_true", help="only new orders and payments: a load to measure with")
    running.set_defaults(action=_run)

    filling = commands.add_parser("fill", help="fill the shop with many rows")
    filling.add_argument("--rows", type=_from(1), default=10_000, help="of all tables together (default: %(default)s)")
    filling.add_argument("--seed", type=int, default=1)
    filling.add_argument("--no-truth", action="store_true", help="faster; but then nothing tells what the rows were")
    filling.set_defaults(action=_fill)

    altering = commands.add_parser("alter", help="alter a table, also while the shop lives")
    altering.add_argument("what", choices=ALTERATIONS)
    altering.add_argument("table", choices=list(KEYS))
    altering.add_argument("column")
    altering.add_argument("--to", default="", help="the new name, of 'rename'")
    altering.add_argument("--type", default="", dest="declared", help="the type, of 'add' and 'widen'")
    altering.add_argument("--default", default="", help="of 'add': what rows get that are there already, as SQL")
    altering.set_defaults(action=_alter)
    return parser


def _from(low: int, high: int | None = None) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{value} is not {f'{low} to {high}' if high else f'{low} or more'}")
        return value

    return number


def _run(settings: Settings, given: argparse.Namespace) -> int:
    until = time.monotonic() + given.seconds if given.seconds else float("inf")
    shared = Shared(given.changes, given.rate, until)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: shared.stop.set())
    began = time.monotonic()
    counted = run(
        settings,
        seed=given.seed,
        sessions=given.sessions,
        shared=shared,
        orders_each=given.orders_each,
        calm=given.calm,
    )
    log("info", "worked", seed=given.seed, seconds=round(time.monotonic() - began, 3), **dict[str, Any](counted))
    return 0


def _fill(settings: Settings, given: argparse.Namespace) -> int:
    rows = fill(settings, given.rows, seed=given.seed, truth=not given.no_truth)
    log("info", "filled", seed=given.seed, rows=rows)
    return 0


def _alter(settings: Settings, given: argparse.Namespace) -> int:
    with source.opened(settings) as session:
        try:
            done = alter(
                session,
                given.what,
                given.table,
                given.column,
                to=given.to,
                declared=given.declared,
                default=given.default,
            )
        except session.errors() as error:
            raise SourceError(f"the shop's database refused: {error}") from error
    log("info", "altered", table=given.table, statements=done)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
