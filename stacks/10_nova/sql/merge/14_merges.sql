insert into nova_core.merges (merged_ms, kind, until, changes, newest_ms)
select
    date_part(epoch_millisecond, sysdate()),
    plan.kind,
    plan.until,
    (select count(*) from nova_core.batch),
    (select max(source_ms) from nova_core.batch)
from nova_core.plan as plan
cross join nova_core.progress as progress
where plan.kind = 'snapshot' or plan.until > progress.position;
