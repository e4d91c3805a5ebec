create stage if not exists nova_landing.files;

-- Instead of Snowflake's stream on nova_landing.messages: what came after the last merge. The merge notes how far it is in the
-- transaction in which it works, as a stream does by itself.
create view if not exists nova_landing.arrivals as
select messages.* from nova_landing.messages as messages, nova_core.progress as progress
where messages.batch > progress.batch;
