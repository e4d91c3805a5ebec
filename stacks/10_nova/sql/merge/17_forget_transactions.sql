-- A day is kept, to know what comes again; but with a whole snapshot, none from before it: the log may be another now, whose
-- positions begin anew.
delete from nova_core.transactions
where (
    position <= (select position from nova_core.progress)
    and seen_ms < date_part(epoch_millisecond, sysdate()) - 86400000
    and tx not like 'dead letter %'
)
    or sent_ms < (select since_ms from nova_core.plan where kind = 'snapshot');
