SELECT count(*) AS read FROM stage \gset
SET LOCAL work_mem = '64MB';
SET LOCAL default_statistics_target = 10; -- enough to choose a join
ANALYZE stage (solution_id, parameter, planet_id);

CREATE TEMPORARY VIEW resolved AS
SELECT s.solution_id, s.parameter, coalesce(p.planet_key, -1) AS planet_key, coalesce(t.star_key, -1) AS star_key,
    coalesce(d.date_key, -1) AS published_key, s.reference, s.kind, s.is_default, s.value, s.err_plus, s.err_minus,
    s.bound
FROM stage AS s
LEFT JOIN star.dim_planet AS p USING (planet_id)
LEFT JOIN star.dim_star AS t USING (star_id)
LEFT JOIN star.dim_date AS d ON d.day = s.published
WHERE s.parameter IS NOT NULL;

SELECT NOT EXISTS (SELECT FROM star.fact_measurement) AS first \gset
\if :first
INSERT INTO star.fact_measurement (
    solution_id, parameter, planet_key, star_key, published_key, reference, kind, is_default, value, err_plus, err_minus,
    bound)
SELECT * FROM resolved;
\set inserted :ROW_COUNT
\else
-- What the warehouse has of these solutions and the archive no longer says.
WITH gone AS MATERIALIZED (
    SELECT f.solution_id, f.parameter
    FROM (SELECT DISTINCT solution_id FROM stage) AS taken JOIN star.fact_measurement AS f USING (solution_id)
    EXCEPT
    SELECT solution_id, parameter FROM stage
)
DELETE FROM star.fact_measurement AS f USING gone
WHERE f.solution_id = gone.solution_id AND f.parameter = gone.parameter;
\set deleted :ROW_COUNT

UPDATE star.fact_measurement AS f
SET (planet_key, star_key, published_key, reference, kind, is_default, value, err_plus, err_minus, bound) = ROW (
    r.planet_key, r.star_key, r.published_key, r.reference, r.kind, r.is_default, r.value, r.err_plus, r.err_minus,
    r.bound)
FROM resolved AS r
WHERE f.solution_id = r.solution_id AND f.parameter = r.parameter
  AND (f.planet_key, f.star_key, f.published_key, f.reference, f.kind, f.is_default, f.value, f.err_plus, f.err_minus,
       f.bound)
      IS DISTINCT FROM (r.planet_key, r.star_key, r.published_key, r.reference, r.kind, r.is_default, r.value,
       r.err_plus, r.err_minus, r.bound);
\set updated :ROW_COUNT

INSERT INTO star.fact_measurement (
    solution_id, parameter, planet_key, star_key, published_key, reference, kind, is_default, value, err_plus, err_minus,
    bound)
SELECT * FROM resolved AS r
WHERE NOT EXISTS (
    SELECT FROM star.fact_measurement AS f WHERE f.solution_id = r.solution_id AND f.parameter = r.parameter);
\set inserted :ROW_COUNT
\endif
