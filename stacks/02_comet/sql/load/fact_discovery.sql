SELECT count(*) AS read FROM stage \gset

CREATE TEMPORARY TABLE resolved ON COMMIT DROP AS
SELECT s.planet_id, coalesce(p.planet_key, -1) AS planet_key, coalesce(t.star_key, -1) AS star_key,
    coalesce(m.method_key, -1) AS method_key, coalesce(f.facility_key, -1) AS facility_key,
    coalesce(d.date_key, -1) AS discovered_key, s.date_precision, s.reference
FROM stage AS s
LEFT JOIN star.dim_planet AS p USING (planet_id)
LEFT JOIN star.dim_star AS t USING (star_id)
LEFT JOIN star.dim_method AS m USING (method_id)
LEFT JOIN star.dim_facility AS f USING (facility_id)
LEFT JOIN star.dim_date AS d ON d.day = s.discovered;

UPDATE star.fact_discovery AS f
SET (planet_key, star_key, method_key, facility_key, discovered_key, date_precision, reference) = ROW (
    r.planet_key, r.star_key, r.method_key, r.facility_key, r.discovered_key, r.date_precision, r.reference)
FROM resolved AS r
WHERE f.planet_id = r.planet_id
  AND (f.planet_key, f.star_key, f.method_key, f.facility_key, f.discovered_key, f.date_precision, f.reference)
      IS DISTINCT FROM (r.planet_key, r.star_key, r.method_key, r.facility_key, r.discovered_key, r.date_precision,
       r.reference);
\set updated :ROW_COUNT

INSERT INTO star.fact_discovery (
    planet_id, planet_key, star_key, method_key, facility_key, discovered_key, date_precision, reference)
SELECT * FROM resolved AS r
WHERE NOT EXISTS (SELECT FROM star.fact_discovery AS f WHERE f.planet_id = r.planet_id);
\set inserted :ROW_COUNT
