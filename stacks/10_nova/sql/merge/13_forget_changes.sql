-- What is merged, or comes again; and, with a whole snapshot, what a connector that was lost left unfinished before it.
delete from nova_core.changes
using (
    select changes.source_table, changes.kafka_partition, changes.kafka_offset
    from nova_core.changes as changes
    cross join nova_core.plan as plan
    cross join nova_core.progress as progress
    left join nova_core.transactions as transactions
        on changes.tx = transactions.tx
        and transactions.position <= greatest(coalesce(plan.until, -1), coalesce(progress.position, -1))
    where (changes.kind = 'transaction' and plan.kind = 'transactions' and transactions.tx is not null)
        -- Not those that came while nothing else was to be merged: a run that merges nothing has not merged them either.
        or (changes.kind = 'incremental' and plan.kind = 'transactions' and changes.position <= plan.until)
        or (changes.kind = 'full' and plan.kind = 'snapshot')
        or (changes.kind = 'transaction' and plan.kind = 'snapshot' and changes.sent_ms < plan.since_ms)
        or (changes.kind = 'incremental' and plan.kind = 'snapshot' and changes.sent_ms < plan.since_ms)
) as done
where changes.source_table = done.source_table
    and changes.kafka_partition = done.kafka_partition
    and changes.kafka_offset = done.kafka_offset;
