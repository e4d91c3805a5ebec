-- What Debezium says of its snapshots: when one begins and ends, and how many rows it read of each table, and whether it could.
insert into nova_core.notifications (kafka_offset, snapshot, status, signal_id, source_table, scanned, outcome, told_ms)
select
    arrived.kafka_offset,
    arrived.record:aggregate_type::varchar,
    arrived.record:type::varchar,
    arrived.record:id::varchar,
    split_part(arrived.record:additional_data:scanned_collection::varchar, '.', -1),
    arrived.record:additional_data:total_rows_scanned::number(19, 0),
    arrived.record:additional_data:status::varchar,
    coalesce(arrived.record:timestamp::number(19, 0), arrived.produced_ms)
from nova_landing.arrivals as arrived
left join nova_core.notifications as known on arrived.kafka_offset = known.kafka_offset
where arrived.record:aggregate_type is not null and known.kafka_offset is null;
