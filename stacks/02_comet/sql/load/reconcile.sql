SELECT count(*) AS read FROM stage \gset

DELETE FROM etl.reconciliations WHERE run_id = :run;
INSERT INTO etl.reconciliations (run_id, fact, expected, found)
SELECT :run, s.fact, s.expected, CASE s.fact
    WHEN 'fact_discovery' THEN :discoveries - (
        SELECT count(*) FROM star.fact_discovery WHERE planet_id IN (SELECT later FROM stage WHERE fact = 'fact_discovery'))
    ELSE :measured - (
        SELECT count(*) FROM star.fact_measurement
        WHERE solution_id IN (SELECT later FROM stage WHERE fact = 'fact_measurement'))
    END
FROM stage AS s WHERE s.expected IS NOT NULL;
