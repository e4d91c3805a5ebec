-- Decide what can be merged.
--
-- A whole snapshot, when Debezium has said how many rows it read of each table and all of them are here. Until then nothing: a
-- transaction would build on rows that are missing. Rows that were sent before this snapshot began are
-- of one that broke off. Else transactions: as many, in the order of their commits, as are here whole.
insert into nova_core.plan (kind, until, snapshot_offset, since_ms)
with told as (
    select
        max(case when status = 'STARTED' then kafka_offset end) as started,
        max(case when status = 'COMPLETED' then kafka_offset end) as completed
    from nova_core.notifications
    where snapshot = 'Initial Snapshot'
),
snapshot as (
    select told.started, told.completed, began.told_ms as since_ms
    from told
    left join nova_core.notifications as began on told.started = began.kafka_offset
),
newest as (
    select max(changes.position) as position
    from nova_core.changes as changes
    cross join snapshot
    where changes.kind = 'full' and changes.sent_ms >= snapshot.since_ms
),
here as (
    select changes.source_table, count(distinct changes.row_key) as found
    from nova_core.changes as changes
    cross join snapshot
    cross join newest
    where changes.kind = 'full' and changes.sent_ms >= snapshot.since_ms and changes.position = newest.position
    group by changes.source_table
),
known as (
    select distinct source_table from nova_core.current_rows
),
lacking as (
    select count(*) as tables_lacking
    from nova_core.tables as captured
    cross join snapshot
    left join nova_core.notifications as told
        on captured.source_table = told.source_table
        and told.snapshot = 'Initial Snapshot'
        and told.status = 'TABLE_SCAN_COMPLETED'
        and told.kafka_offset between snapshot.started and snapshot.completed
    left join here on captured.source_table = here.source_table
    left join known on captured.source_table = known.source_table
    -- A table that was not read lacks too: its rows are not gone.
    where coalesce(here.found, 0) < told.scanned or (told.kafka_offset is null and known.source_table is not null)
),
state as (
    select
        progress.position,
        progress.awaiting_snapshot
            or progress.position is null
            or coalesce(snapshot.started, -1) > coalesce(progress.snapshot_offset, -1) as awaits,
        coalesce(snapshot.completed, -1) > coalesce(progress.snapshot_offset, -1)
            and snapshot.completed > snapshot.started
            and lacking.tables_lacking = 0 as is_whole,
        coalesce(newest.position, progress.position, 0) as snapshot_position,
        snapshot.completed,
        snapshot.since_ms
    from nova_core.progress as progress, snapshot, newest, lacking
),
arrived as (
    select tx, source_table, count(*) as events
    from nova_core.changes
    where kind = 'transaction'
    group by tx, source_table
),
waiting as (
    select
        transactions.position,
        max(
            case when transactions.tx like 'dead letter %' or coalesce(arrived.events, 0) < parts.events then 1 else 0 end
        ) as is_partial
    from nova_core.transactions as transactions
    cross join state
    left join nova_core.transaction_parts as parts
        on transactions.tx = parts.tx and transactions.position = parts.position
    left join arrived on parts.tx = arrived.tx and parts.source_table = arrived.source_table
    where transactions.position > coalesce(state.position, -1) or transactions.tx like 'dead letter %'
    group by transactions.position
),
blocked as (
    select min(case when is_partial = 1 then position end) as position from waiting
),
ready as (
    select
        max(waiting.position) as until,
        max(case when waiting.position < state.snapshot_position then waiting.position end) as until_snapshot
    from waiting
    cross join blocked
    cross join state
    where blocked.position is null or waiting.position < blocked.position
)
select
    case
        when not state.awaits then 'transactions'
        when not state.is_whole then 'wait'
        when state.position is not null and ready.until_snapshot is not null then 'transactions'
        else 'snapshot'
    end,
    case
        when not state.awaits then ready.until
        when not state.is_whole then null
        when state.position is not null and ready.until_snapshot is not null then ready.until_snapshot
        else state.snapshot_position
    end,
    state.completed,
    state.since_ms
from state
cross join ready;
