-- End a run: the mark moves only when the counts agree, and never back.
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('etl step', 0)) \g /dev/null
UPDATE etl.runs SET ended_at = clock_timestamp(), status = CASE
    WHEN EXISTS (SELECT FROM etl.reconciliations WHERE run_id = :run AND expected <> found) THEN 'differs' ELSE 'done' END
WHERE run_id = :run;
INSERT INTO etl.mark (high)
SELECT high FROM etl.runs WHERE run_id = :run AND status = 'done' AND kind <> 'backfill'
ON CONFLICT (singleton) DO UPDATE SET high = greatest(mark.high, excluded.high);
COMMIT;
SELECT fact, expected, found FROM etl.reconciliations WHERE run_id = :run ORDER BY fact;
