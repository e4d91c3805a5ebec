SELECT count(*) AS read FROM stage \gset

DELETE FROM etl.reconciliations WHERE run_id = :run;
INSERT INTO etl.reconciliations (run_id, fact, expected, found)
SELECT :run, 'fact_discovery', coalesce(sum(s.expected), 0), count(f.planet_id)
FROM stage AS s LEFT JOIN star.fact_discovery AS f ON f.planet_id = s.id WHERE s.fact = 'fact_discovery'
UNION ALL
SELECT :run, 'fact_measurement', coalesce(sum(s.expected), 0), (
    SELECT count(*) FROM star.fact_measurement
    WHERE solution_id IN (SELECT id FROM stage WHERE fact = 'fact_measurement'))
FROM stage AS s WHERE s.fact = 'fact_measurement';
