-- What the loader writes. In an account Terraform makes these tables, from this file (nova.warehouse.columns).

-- What came, as it came: each Kafka message once, by topic, partition and offset.
create table if not exists nova_landing.messages (
    topic varchar not null,
    kafka_partition number(10, 0) not null,
    kafka_offset number(19, 0) not null,
    message_key varchar,
    record variant,
    produced_ms number(19, 0),
    batch number(19, 0) not null
);

-- Where a file is copied to, within the transaction that takes its rows on.
create table if not exists nova_landing.incoming (
    topic varchar not null,
    kafka_partition number(10, 0) not null,
    kafka_offset number(19, 0) not null,
    message_key varchar,
    record varchar,
    produced_ms number(19, 0),
    batch number(19, 0) not null
);

-- How far each partition is landed: written in the same transaction as the messages.
create table if not exists nova_landing.offsets (
    topic varchar not null,
    kafka_partition number(10, 0) not null,
    next_offset number(19, 0) not null
);

-- Who may load, and the number of the last batch: whoever came last wins.
create table if not exists nova_landing.loader (loader varchar not null, batch number(19, 0) not null);
