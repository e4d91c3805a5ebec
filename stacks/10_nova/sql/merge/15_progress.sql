update nova_core.progress
set
    position = coalesce((select until from nova_core.plan), position),
    snapshot_offset = case
        when (select kind from nova_core.plan) = 'snapshot' then (select snapshot_offset from nova_core.plan)
        else snapshot_offset
    end,
    awaiting_snapshot = awaiting_snapshot and (select kind from nova_core.plan) <> 'snapshot',
    batch = coalesce((select max(batch) from nova_landing.arrivals), batch);
