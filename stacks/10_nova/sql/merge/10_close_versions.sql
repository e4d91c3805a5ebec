update nova_core.versions
set valid_to = batch.position
from (
    select source_table, row_key, min(position) as position
    from nova_core.batch
    where is_new
    group by source_table, row_key
) as batch
where versions.source_table = batch.source_table
    and versions.row_key = batch.row_key
    and versions.valid_to is null;
