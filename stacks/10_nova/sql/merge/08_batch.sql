-- The rows to merge: of each row, its last state in each transaction, which is the one that was committed.
insert into nova_core.batch (source_table, row_key, position, kind, op, image, source_ms, tx, is_new)
with last_states as (
    select
        changes.source_table,
        changes.row_key,
        transactions.position,
        changes.op,
        changes.image,
        changes.source_ms,
        changes.tx
    from nova_core.changes as changes
    inner join nova_core.transactions as transactions on changes.tx = transactions.tx
    cross join nova_core.plan as plan
    cross join nova_core.progress as progress
    where plan.kind = 'transactions'
        and changes.kind = 'transaction'
        and transactions.position > progress.position
        and transactions.position <= plan.until
    qualify row_number() over (
        partition by changes.source_table, changes.row_key, transactions.position
        order by changes.tx_order desc
    ) = 1
),
chosen as (
    select source_table, row_key, position, 'transaction' as kind, op, image, source_ms, tx
    from last_states
    union all
    -- A row that was read again on demand: it is as of its position, so whatever is known from later on wins.
    select changes.source_table, changes.row_key, changes.position, changes.kind, 'r', changes.image, changes.source_ms, null
    from nova_core.changes as changes
    cross join nova_core.plan as plan
    left join (
        select versions.source_table, versions.row_key, max(coalesce(versions.valid_to, versions.valid_from)) as position
        from nova_core.versions as versions
        inner join (
            select distinct source_table, row_key from nova_core.changes where kind = 'incremental'
        ) as read_again
            on versions.source_table = read_again.source_table and versions.row_key = read_again.row_key
        group by versions.source_table, versions.row_key
    ) as known
        on changes.source_table = known.source_table and changes.row_key = known.row_key
    where plan.kind = 'transactions'
        and changes.kind = 'incremental'
        and changes.position <= plan.until
        and changes.position > coalesce(known.position, -1)
    union all
    select changes.source_table, changes.row_key, changes.position, changes.kind, 'r', changes.image, changes.source_ms, null
    from nova_core.changes as changes
    cross join nova_core.plan as plan
    where plan.kind = 'snapshot' and changes.kind = 'full' and changes.position = plan.until and changes.sent_ms >= plan.since_ms
    qualify row_number() over (partition by changes.source_table, changes.row_key order by changes.sent_ms desc) = 1
    union all
    -- What a whole snapshot does not have is gone.
    select rows_now.source_table, rows_now.row_key, plan.until, 'full', 'd', null, null, null
    from nova_core.current_rows as rows_now
    cross join nova_core.plan as plan
    left join nova_core.changes as changes
        on rows_now.source_table = changes.source_table
        and rows_now.row_key = changes.row_key
        and changes.kind = 'full'
        and changes.position = plan.until
        and changes.sent_ms >= plan.since_ms
    where plan.kind = 'snapshot' and changes.row_key is null
)
select
    source_table,
    row_key,
    position,
    kind,
    op,
    image,
    source_ms,
    tx,
    true
from chosen;
