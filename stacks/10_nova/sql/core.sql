-- What the merge keeps. In an account its task makes it, and a second run changes nothing.

-- The captured tables; what Debezium says of others (heartbeat, signals) is not waited for.
create table if not exists nova_core.tables (source_table varchar not null);

-- Changes that are not merged yet, each once.
create table if not exists nova_core.changes (
    source_table varchar not null,
    kafka_partition number(10, 0) not null,
    kafka_offset number(19, 0) not null,
    kind varchar not null,
    tx varchar,
    tx_order number(19, 0),
    position number(30, 0),
    op varchar not null,
    row_key varchar not null,
    image variant,
    source_ms number(19, 0),
    sent_ms number(19, 0) not null
);

-- Transactions whose end was seen, in the order of their commits.
create table if not exists nova_core.transactions (
    tx varchar not null,
    position number(30, 0) not null,
    ended_ms number(19, 0),
    seen_ms number(19, 0) not null,
    kafka_offset number(19, 0) not null,
    sent_ms number(19, 0) not null
);

-- How many changes of each captured table such a transaction has, by its end message.
create table if not exists nova_core.transaction_parts (
    tx varchar not null,
    position number(30, 0) not null,
    source_table varchar not null,
    events number(19, 0) not null
);

-- What Debezium says of its snapshots.
create table if not exists nova_core.notifications (
    kafka_offset number(19, 0) not null,
    snapshot varchar not null,
    status varchar not null,
    signal_id varchar,
    source_table varchar,
    scanned number(19, 0),
    outcome varchar,
    told_ms number(19, 0)
);

-- One row: up to which position of the source everything is merged, and whether a snapshot is waited for.
create table if not exists nova_core.progress (
    position number(30, 0),
    snapshot_offset number(19, 0),
    awaiting_snapshot boolean not null,
    batch number(19, 0) not null
);

-- One row: what this run merges. Of a snapshot's rows those that were sent since it began.
create table if not exists nova_core.plan (
    kind varchar not null,
    until number(30, 0),
    snapshot_offset number(19, 0),
    since_ms number(19, 0)
);

-- The rows that this run merges: one for each row and position.
create table if not exists nova_core.batch (
    source_table varchar not null,
    row_key varchar not null,
    position number(30, 0) not null,
    kind varchar not null,
    op varchar not null,
    image variant,
    source_ms number(19, 0),
    tx varchar,
    is_new boolean not null
);

-- Every committed version of every row.
create table if not exists nova_core.versions (
    source_table varchar not null,
    row_key varchar not null,
    valid_from number(30, 0) not null,
    valid_to number(30, 0),
    kind varchar not null,
    tx varchar,
    source_ms number(19, 0),
    image variant
);

-- The rows as they are in the source at progress.position.
create table if not exists nova_core.current_rows (
    source_table varchar not null,
    row_key varchar not null,
    position number(30, 0) not null,
    image variant
);

-- Columns of the captured tables, as the typed views have them; `dropped` ones stay, without values.
create table if not exists nova_core.columns (
    source_table varchar not null,
    ordinal number(10, 0) not null,
    column_name varchar not null,
    column_type varchar not null,
    source_type varchar not null,
    dropped boolean not null
);

-- What each run merged, for lag and throughput.
create table if not exists nova_core.merges (
    merged_ms number(19, 0) not null,
    kind varchar not null,
    until number(30, 0),
    changes number(19, 0) not null,
    newest_ms number(19, 0)
);

-- The first rows.
insert into nova_core.progress (awaiting_snapshot, batch)
select false, 0 where not exists (select 1 from nova_core.progress);
