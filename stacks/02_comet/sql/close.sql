-- The last step ends the run, in its own transaction: the mark moves only when the counts agree, and never back.
UPDATE etl.runs SET ended_at = clock_timestamp(), status = CASE
    WHEN EXISTS (SELECT FROM etl.reconciliations WHERE run_id = :run AND expected <> found) THEN 'differs' ELSE 'done' END
WHERE run_id = :run;
INSERT INTO etl.mark (high)
SELECT high FROM etl.runs WHERE run_id = :run AND status = 'done' AND kind <> 'backfill'
ON CONFLICT (singleton) DO UPDATE SET high = greatest(mark.high, excluded.high);
SELECT fact, expected, found FROM etl.reconciliations WHERE run_id = :run ORDER BY fact;
