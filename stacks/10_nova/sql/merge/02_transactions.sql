-- Transactions that have ended, each once, in the order of their commits. PostgreSQL's end message has the LSN behind its commit,
-- MySQL's the place at which the transaction begins in the binlog, which holds transactions one after the other.
--
-- An end that could not be read (a dead letter) stands behind the last one before it, and nothing from there on is merged
-- (06_plan.sql) until a new snapshot is: nobody knows which changes belong to it. A TRUNCATE is a dead letter too, which says where
-- in the log it was; in MySQL's it stands alone, without an end.
insert into nova_core.transactions (tx, position, ended_ms, seen_ms, kafka_offset, sent_ms)
with ended as (
    select
        case
            when record:id::varchar like 'file=%' then record:id::varchar
            else split_part(record:id::varchar, ':', 1)
        end as tx,
        case
            when record:id::varchar like 'file=%'
                then 1 + 2 * (
                    regexp_substr(record:id::varchar, '([0-9]+),', 1, 1, 'e', 1)::number(20, 0) * 1099511627776
                    + regexp_substr(record:id::varchar, 'pos=([0-9]+)', 1, 1, 'e', 1)::number(19, 0)
                )
            else 2 * split_part(record:id::varchar, ':', 2)::number(20, 0) - 1
        end as position,
        record:ts_ms::number(19, 0) as ended_ms,
        kafka_offset,
        produced_ms as sent_ms
    from nova_landing.arrivals
    where record:status::varchar = 'END'
    union all
    select
        'dead letter ' || dead.kafka_offset::varchar,
        1 + greatest(coalesce(max(earlier.position), 0), coalesce(max(progress.position), 0)),
        null,
        dead.kafka_offset,
        dead.produced_ms
    from nova_landing.arrivals as dead
    cross join nova_core.progress as progress
    left join (
        select position, kafka_offset from nova_core.transactions where tx not like 'dead letter %'
        union all
        select
            case
                when record:id::varchar like 'file=%'
                    then 1 + 2 * (
                        regexp_substr(record:id::varchar, '([0-9]+),', 1, 1, 'e', 1)::number(20, 0) * 1099511627776
                        + regexp_substr(record:id::varchar, 'pos=([0-9]+)', 1, 1, 'e', 1)::number(19, 0)
                    )
                else 2 * split_part(record:id::varchar, ':', 2)::number(20, 0) - 1
            end,
            kafka_offset
        from nova_landing.arrivals
        where record:status::varchar = 'END'
    ) as earlier on earlier.kafka_offset < dead.kafka_offset
    where dead.record:status::varchar = 'UNREADABLE' and dead.record:source is null
    group by dead.kafka_offset, dead.produced_ms
    union all
    select
        'dead letter ' || record:source:table::varchar || ' ' || kafka_partition::varchar || ' ' || kafka_offset::varchar,
        case
            when record:source:connector::varchar = 'postgresql' then 2 * record:source:lsn::number(20, 0)
            else 1 + 2 * (
                regexp_substr(record:source:file::varchar, '[0-9]+$')::number(20, 0) * 1099511627776
                + record:source:pos::number(19, 0)
            )
        end,
        null,
        kafka_offset,
        produced_ms
    from nova_landing.arrivals
    where record:status::varchar = 'UNREADABLE' and record:source is not null
)
select ended.tx, ended.position, max(ended.ended_ms), date_part(epoch_millisecond, sysdate()), min(ended.kafka_offset), max(ended.sent_ms)
from ended
left join nova_core.transactions as known on ended.tx = known.tx and ended.position = known.position
where known.tx is null
group by ended.tx, ended.position;
