-- Transactions that have ended, each once, in the order of their commits. PostgreSQL's end message has the LSN behind its commit,
-- MySQL's the place at which the transaction begins in the binlog, which holds transactions one after the other.
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
)
select ended.tx, ended.position, max(ended.ended_ms), date_part(epoch_millisecond, sysdate()), min(ended.kafka_offset), max(ended.sent_ms)
from ended
left join nova_core.transactions as known on ended.tx = known.tx and ended.position = known.position
where known.tx is null
group by ended.tx, ended.position;
