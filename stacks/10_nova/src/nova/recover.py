"""The way back when Kafka, the log or the slot has lost what was to come next: forget what waits, await a new snapshot.

``python -m nova.recover``, while the connector is gone: its place in the log goes too. Rows and versions stay. What
waits for its merge is forgotten, since its other half will not come; landing goes on at the end of the topics, behind
which the new snapshot will be; and PostgreSQL's slot is dropped: only one that is made for a snapshot begins where that
snapshot ends. A second run does the same again.
"""

from __future__ import annotations

import argparse
import os
import re
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence

from jobs.kafka import client_settings
from jobs.metrics import log
from nova import load, source, warehouse
from nova.load import Place
from nova.warehouse import Warehouse

ROLE, MERGER = "NOVA_SNOWFLAKE_ROLE", "NOVA_SNOWFLAKE_MERGER_ROLE"
KAFKA_S = 20
INSIST_S = 90.0
"""For how long, in seconds, what loader or merge hold is asked for again: longer than Snowflake waits for a lock."""
PLACE = "connect-offsets"
"""What module cdc_connector calls the topic with the connector's place, behind the prefix."""
WAITING = ("changes", "transactions", "transaction_parts", "notifications", "batch", "plan")
"""What is forgotten of `nova_core`."""


class NotYet(Exception):
    """Something still runs that has to be stopped first; the message says what."""


def slot_name(prefix: str) -> str:
    """Return the name that module cdc_connector gives to PostgreSQL's slot.

    Examples
    --------
    >>> slot_name("orrery-10-nova-shop")
    'orrery_10_nova_shop'
    """
    return re.sub("[^a-z0-9]", "_", prefix)


def drop_slot(session: source.Session, name: str) -> bool:
    """Drop a slot of PostgreSQL; return whether there was one.

    Raises
    ------
    NotYet
        Somebody reads from it.
    """
    found = session.query("select active from pg_replication_slots where slot_name = %s", (name,))
    if not found:
        return False
    if found[0][0]:
        raise NotYet(f"the slot {name} is in use: remove the connector first, as the stack's README says")
    session.query("select pg_drop_replication_slot(%s)", (name,))
    return True


def ends(names: load.Names) -> dict[Place, int]:
    """Return the offset behind the last message of each partition.

    Raises
    ------
    NotYet
        A topic is missing.
    """
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({**client_settings(), "group.id": names.group, "enable.auto.commit": False})
    try:
        present = consumer.list_topics(timeout=KAFKA_S).topics
        if lacking := [topic for topic in names.topics if topic not in present]:
            raise NotYet(f"there is no topic {lacking[0]}: make the topics first (`prepare`, or make deploy)")
        places = [(topic, number) for topic in names.topics for number in present[topic].partitions]
        return {
            place: int(consumer.get_watermark_offsets(TopicPartition(*place), timeout=KAFKA_S)[1]) for place in places
        }
    finally:
        consumer.close()


def forget_place(names: load.Names) -> bool:
    """Delete the topic in which MSK Connect keeps the connector's place in the log; return whether there was one.

    Locally there is none: `jobs.connectors remove --forget` has done it.
    """
    from confluent_kafka.admin import AdminClient

    admin, topic = AdminClient(client_settings()), names.topic(PLACE)
    if topic not in admin.list_topics(timeout=KAFKA_S).topics:
        return False
    for done in admin.delete_topics([topic]).values():
        done.result(timeout=KAFKA_S)
    return True


def forget(store: Warehouse) -> None:
    """Forget what waits for its merge, also what no run has looked at, and merge nothing before a whole snapshot."""
    with store.transaction():
        for table in WAITING:
            store.query(f"delete from nova_core.{table}")
        # Reading the stream within the transaction takes what is in it.
        store.query(
            "update nova_core.progress set awaiting_snapshot = true, snapshot_offset = null,"
            " batch = coalesce((select max(batch) from nova_landing.arrivals), batch)"
        )


def land_from(store: Warehouse, offsets: Mapping[Place, int]) -> None:
    """Let landing go on at these offsets; a loader that runs ends by itself."""
    load.Landing(store, uuid.uuid4().hex).claim()
    rows = ", ".join(f"('{topic}', {partition}, {offset})" for (topic, partition), offset in offsets.items())
    with store.transaction():
        store.query("delete from nova_landing.offsets")
        store.query(f"insert into nova_landing.offsets (topic, kafka_partition, next_offset) values {rows}")


def _insist(role: str, work: Callable[[Warehouse], None]) -> None:
    """Do some work in the role that a variable names, if it does; loader and merge may hold what it needs meanwhile."""
    before = os.environ.get(ROLE)
    if role in os.environ:
        os.environ[ROLE] = os.environ[role]
    try:
        warehouse.insist(work, threading.Event(), INSIST_S)
    finally:
        if before is not None:
            os.environ[ROLE] = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    argparse.ArgumentParser(prog="nova.recover", description=(__doc__ or "").partition("\n")[0]).parse_args(arguments)
    from snowflake.connector.errors import Error
    from snowflake.connector.vendored.requests.exceptions import RequestException  # an answer that broke off

    names = load.names()
    try:
        dropped = False
        with source.opened() as session:
            if session.engine == "postgresql":
                dropped = drop_slot(session, slot_name(names.prefix))
        place_forgotten = forget_place(names)
        offsets = ends(names)
        # Merging stops first: a run that is killed in between leaves a pipeline that waits, not one that skips.
        _insist(MERGER, forget)
        _insist(ROLE, lambda store: land_from(store, offsets))
    except (NotYet, source.SourceError, Error, RequestException) as error:
        log("error", "failed", error=str(error))
        return 1
    log("info", "awaits_snapshot", partitions=len(offsets), slot_dropped=dropped, place_forgotten=place_forgotten)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
