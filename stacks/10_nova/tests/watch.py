"""Look at the warehouse again and again, as an analyst would, and tell where a sum is wrong. Run by the environment ``nova``.

Each transaction of the shop leaves an order's total equal to the sum of its lines, and what is paid to the sum of its payments. So
whoever sees a half transaction sees a wrong sum. (The local Snowflake adds a view's decimals up as floats, hence the rounding.) Ends
at SIGTERM and logs what it saw; with ``--once`` after one look.
"""

from __future__ import annotations

import signal
import sys
import threading
import time

import snowflake.connector.errors as errors
from nova import warehouse

from jobs.metrics import log

WRONG = """
with lines as (select order_id as id, sum(amount)::number(38, 4) as total from nova_shop.order_lines group by 1),
payments as (select order_id as id, sum(amount)::number(38, 4) as paid from nova_shop.payments group by 1),
whole as (
    select
        coalesce(orders.id, lines.id, payments.id) as id,
        orders.total,
        lines.total as of_lines,
        orders.paid,
        payments.paid as of_payments
    from nova_shop.orders as orders
    full outer join lines on orders.id = lines.id
    full outer join payments on coalesce(orders.id, lines.id) = payments.id
)
select id, total, of_lines, paid, of_payments, (select position from nova_core.progress) as position
from whole
where total is null or total <> coalesce(of_lines, 0) or paid <> coalesce(of_payments, 0)
union all
select null, null, null, null, null, position from nova_core.progress
order by id nulls last
"""


def main() -> None:
    once, stopped = sys.argv[1:] == ["--once"], threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    looks, away, positions, wrong = 0, 0, set[str](), list[str]()
    while not stopped.is_set():
        try:
            with warehouse.opened() as store:
                while not stopped.is_set():
                    began = time.monotonic()
                    *found, (*_, position) = store.query(WRONG)
                    looks += 1
                    positions.add(str(position))
                    if found:
                        wrong.append(f"{len(found)} orders, the first {found[0]}")
                    if once:
                        stopped.set()
                    # It must not keep the warehouse from its work.
                    stopped.wait(max(0.1, 4 * (time.monotonic() - began)))
        except errors.Error:  # it is away
            away += 1
            stopped.wait(0.5)
    log("info", "watched", looks=looks, away=away, positions=len(positions), wrong=wrong[:5])


if __name__ == "__main__":
    main()
