insert into nova_core.versions (source_table, row_key, valid_from, valid_to, kind, tx, source_ms, image)
with ordered as (
    select
        batch.*,
        lead(position) over (partition by source_table, row_key order by position) as position_after
    from nova_core.batch as batch
    where is_new
)
select source_table, row_key, position, position_after, kind, tx, source_ms, image
from ordered
where op <> 'd';
