delete from nova_core.transaction_parts
where position <= (select position from nova_core.progress);
