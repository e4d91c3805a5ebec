delete from nova_core.batch;
