-- The end of the window. Whoever merges a file holds this lock until its rows are visible: so what changed before this
-- moment can be seen, and what can't be seen yet will have changed after it.
SET lock_timeout = '15min';
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('archive merge', 0)) \g /dev/null
SELECT clock_timestamp();
COMMIT;
