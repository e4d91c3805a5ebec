-- A backfill answers for its window only: the planets and the solutions in it, with the rows that each must have.
\echo 'COPY stage FROM STDIN;'
COPY (
    SELECT 'fact_discovery', planet_id, 1 FROM archive.planets WHERE changed_at >= :'low' AND changed_at < :'high'
    UNION ALL
    SELECT 'fact_measurement', solution_id, count(m.parameter)
    FROM archive.solutions AS s LEFT JOIN archive.measurements AS m USING (solution_id)
    WHERE s.changed_at >= :'low' AND s.changed_at < :'high'
    GROUP BY solution_id
) TO STDOUT;
\echo '\\.'
