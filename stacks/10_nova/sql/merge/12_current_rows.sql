merge into nova_core.current_rows
using (
    select source_table, row_key, position, op, image
    from nova_core.batch
    qualify row_number() over (partition by source_table, row_key order by position desc) = 1
) as batch
    on current_rows.source_table = batch.source_table and current_rows.row_key = batch.row_key
when matched and batch.op = 'd' then delete
when matched then update set position = batch.position, image = batch.image
when not matched and batch.op <> 'd' then
    insert (source_table, row_key, position, image)
    values (batch.source_table, batch.row_key, batch.position, batch.image);
