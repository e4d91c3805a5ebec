-- How many changes of each captured table to wait for.
insert into nova_core.transaction_parts (tx, position, source_table, events)
with ended as (
    select
        case
            when record:id::varchar like 'file=%' then record:id::varchar
            else split_part(record:id::varchar, ':', 1)
        end as tx,
        record:data_collections as data_collections
    from nova_landing.arrivals
    where record:status::varchar = 'END'
),
parts as (
    select distinct
        ended.tx,
        split_part(part.value:data_collection::varchar, '.', -1) as source_table,
        part.value:event_count::number(19, 0) as events
    from ended, lateral flatten(input => ended.data_collections) as part
)
select parts.tx, transactions.position, parts.source_table, parts.events
from parts
inner join nova_core.tables as captured on parts.source_table = captured.source_table
inner join nova_core.transactions as transactions on parts.tx = transactions.tx
cross join nova_core.progress as progress
left join nova_core.transaction_parts as known
    on transactions.tx = known.tx and transactions.position = known.position and parts.source_table = known.source_table
where known.tx is null and transactions.position > coalesce(progress.position, -1);
