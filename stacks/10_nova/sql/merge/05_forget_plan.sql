delete from nova_core.plan;
