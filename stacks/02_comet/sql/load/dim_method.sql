CREATE TEMPORARY TABLE stage (method_id integer, name text) ON COMMIT DROP;
\copy stage from pstdin
\ir ../whole.sql

UPDATE star.dim_method AS d SET name = s.name
FROM stage AS s WHERE d.method_id = s.method_id AND d.name IS DISTINCT FROM s.name;
\set updated :ROW_COUNT

INSERT INTO star.dim_method (method_id, name)
SELECT method_id, name FROM stage AS s
WHERE NOT EXISTS (SELECT FROM star.dim_method AS d WHERE d.method_id = s.method_id) ORDER BY method_id;
\set inserted :ROW_COUNT
