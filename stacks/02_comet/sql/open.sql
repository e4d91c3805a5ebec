-- Find the run that is unfinished, or open a new one; print it: id, kind, low, high, the low of the dimensions, resumed.
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('etl step', 0)) \g /dev/null
SELECT EXISTS (SELECT FROM etl.runs WHERE status = 'running') AS resumed \gset
\if :abandon
    UPDATE etl.runs SET status = 'abandoned', ended_at = clock_timestamp() WHERE status = 'running';
    \set resumed f
\endif
\if :resumed
\else
    INSERT INTO etl.runs (kind, low, high)
    SELECT CASE WHEN :'from' <> '' THEN 'backfill' WHEN :full OR mark.high IS NULL THEN 'full' ELSE 'incremental' END,
        CASE WHEN :'from' <> '' THEN nullif(:'from', '')::timestamptz
             WHEN :full OR mark.high IS NULL THEN '-infinity'
             ELSE mark.high - make_interval(secs => :overlap) END,
        CASE WHEN :'to' <> '' THEN least(nullif(:'to', '')::timestamptz, :'high') ELSE :'high'::timestamptz END
    FROM (SELECT max(high) AS high FROM etl.mark) AS mark;
\endif
\if :dry
    SELECT 0, kind, low, high, CASE kind WHEN 'backfill' THEN '-infinity' ELSE low END, :'resumed' FROM etl.runs
    WHERE status = 'running';
    ROLLBACK;
\else
    COMMIT;
    SELECT run_id, kind, low, high, CASE kind WHEN 'backfill' THEN '-infinity' ELSE low END, :'resumed' FROM etl.runs
    WHERE status = 'running';
    SELECT step FROM etl.steps JOIN etl.runs USING (run_id) WHERE status = 'running';
\endif
