CREATE TEMPORARY TABLE stage (planet_id integer, name text, controversial boolean) ON COMMIT DROP;
\copy stage from pstdin
\ir ../whole.sql

UPDATE star.dim_planet AS d SET name = s.name, controversial = s.controversial
FROM stage AS s
WHERE d.planet_id = s.planet_id AND (d.name, d.controversial) IS DISTINCT FROM (s.name, s.controversial);
\set updated :ROW_COUNT

INSERT INTO star.dim_planet (planet_id, name, controversial)
SELECT * FROM stage AS s
WHERE NOT EXISTS (SELECT FROM star.dim_planet AS d WHERE d.planet_id = s.planet_id) ORDER BY planet_id;
\set inserted :ROW_COUNT
ANALYZE star.dim_planet;
