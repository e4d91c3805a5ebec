delete from nova_core.transaction_parts
where position <= (select position from nova_core.progress)
    or tx in (
        select tx from nova_core.transactions
        where sent_ms < (select since_ms from nova_core.plan where kind = 'snapshot')
    );
