CREATE TEMPORARY TABLE stage (facility_id integer, name text) ON COMMIT DROP;
\copy stage from pstdin
\ir ../whole.sql

UPDATE star.dim_facility AS d SET name = s.name
FROM stage AS s WHERE d.facility_id = s.facility_id AND d.name IS DISTINCT FROM s.name;
\set updated :ROW_COUNT

INSERT INTO star.dim_facility (facility_id, name)
SELECT facility_id, name FROM stage AS s
WHERE NOT EXISTS (SELECT FROM star.dim_facility AS d WHERE d.facility_id = s.facility_id) ORDER BY facility_id;
\set inserted :ROW_COUNT
