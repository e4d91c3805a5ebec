-- Take each change once. Debezium repeats some after a crash: they have the same place in the same transaction.
--
-- Positions are the source's own. They are doubled: a transaction is at an odd one, and a snapshot, which lies between two
-- transactions, at an even one. MySQL: number of the binlog file times 2^40, and the place in it. PostgreSQL: LSN.
insert into nova_core.changes (
    source_table, kafka_partition, kafka_offset, kind, tx, tx_order, position, op, row_key, image, source_ms, sent_ms
)
with arrived as (
    select
        kafka_partition,
        kafka_offset,
        message_key as row_key,
        record:source:table::varchar as source_table,
        record:op::varchar as op,
        case
            when record:op::varchar <> 'r' then 'transaction'
            when record:source:snapshot::varchar = 'incremental' then 'incremental'
            else 'full'
        end as kind,
        -- PostgreSQL's has the LSN of each change behind the number of the transaction.
        case
            when record:source:connector::varchar = 'postgresql' then split_part(record:transaction:id::varchar, ':', 1)
            else record:transaction:id::varchar
        end as tx,
        record:transaction:total_order::number(19, 0) as tx_order,
        case
            when record:op::varchar <> 'r' then null
            when record:source:connector::varchar <> 'postgresql'
                then 2 * (
                    regexp_substr(record:source:file::varchar, '[0-9]+$')::number(20, 0) * 1099511627776
                    + record:source:pos::number(19, 0)
                )
            -- The end of the last transaction that was committed before it.
            when record:source:snapshot::varchar = 'incremental'
                then 2 * regexp_substr(record:source:sequence::varchar, '[0-9]+')::number(20, 0)
            else 2 * record:source:lsn::number(20, 0)
        end as position,
        case when record:op::varchar = 'd' then null else record:after end as image,
        record:source:ts_ms::number(19, 0) as source_ms,
        produced_ms as sent_ms,
        -- A snapshot that is taken again may read the same row at the same place: both are kept, to count each snapshot by itself.
        case
            when record:op::varchar = 'r' and coalesce(record:source:snapshot::varchar, '') <> 'incremental' then produced_ms
        end as full_ms
    from nova_landing.arrivals
    where record:op is not null
)
select
    arrived.source_table,
    arrived.kafka_partition,
    arrived.kafka_offset,
    arrived.kind,
    arrived.tx,
    arrived.tx_order,
    arrived.position,
    arrived.op,
    arrived.row_key,
    arrived.image,
    arrived.source_ms,
    arrived.sent_ms
from arrived
left join nova_core.changes as known
    on arrived.source_table = known.source_table
    and arrived.kind = known.kind
    and coalesce(arrived.tx, '') = coalesce(known.tx, '')
    and coalesce(arrived.tx_order, 0) = coalesce(known.tx_order, 0)
    and coalesce(arrived.position, 0) = coalesce(known.position, 0)
    and case when arrived.kind = 'transaction' then '' else arrived.row_key end
    = case when known.kind = 'transaction' then '' else known.row_key end
    and coalesce(arrived.full_ms, 0) = case when known.kind = 'full' then known.sent_ms else 0 end
where known.kafka_offset is null
qualify row_number() over (
    partition by
        arrived.source_table,
        arrived.kind,
        coalesce(arrived.tx, ''),
        coalesce(arrived.tx_order, 0),
        coalesce(arrived.position, 0),
        coalesce(arrived.full_ms, 0),
        case when arrived.kind = 'transaction' then '' else arrived.row_key end
    order by arrived.kafka_partition, arrived.kafka_offset
) = 1;
