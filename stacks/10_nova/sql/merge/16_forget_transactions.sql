-- A day is kept, to know what comes again.
delete from nova_core.transactions
where position <= (select position from nova_core.progress)
    and seen_ms < date_part(epoch_millisecond, sysdate()) - 86400000;
