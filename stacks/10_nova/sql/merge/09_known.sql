-- A row that was read makes a new version only where it is another than the one that is known. What a transaction changed is a
-- version in any case: so mostly there is nothing to look for among all rows.
update nova_core.batch
set is_new = false
from (
    select
        batch.source_table,
        batch.row_key,
        batch.position,
        batch.kind,
        batch.image,
        case
            when row_number() over (partition by batch.source_table, batch.row_key order by batch.position) = 1
                then rows_now.image
            else lag(batch.image) over (partition by batch.source_table, batch.row_key order by batch.position)
        end as image_before
    from nova_core.batch as batch
    inner join (
        select distinct source_table, row_key from nova_core.batch where kind <> 'transaction' and image is not null
    ) as read_rows
        on batch.source_table = read_rows.source_table and batch.row_key = read_rows.row_key
    left join nova_core.current_rows as rows_now
        on batch.source_table = rows_now.source_table and batch.row_key = rows_now.row_key
) as known
where batch.source_table = known.source_table
    and batch.row_key = known.row_key
    and batch.position = known.position
    and batch.kind = known.kind
    and known.kind <> 'transaction'
    and to_json(known.image) = to_json(known.image_before);
