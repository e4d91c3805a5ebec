CREATE TEMPORARY TABLE stage (
    star_id integer, name text, system text, stars_in_system smallint, planets_in_system smallint, spectral_type text,
    spectral_class text, ra double precision, dec double precision, distance_pc double precision, vmag double precision
) ON COMMIT DROP;
\copy stage from pstdin
\ir ../whole.sql

UPDATE star.dim_star AS d
SET (name, system, stars_in_system, planets_in_system, spectral_type, spectral_class, ra, dec, distance_pc, vmag) = ROW (
    s.name, s.system, s.stars_in_system, s.planets_in_system, s.spectral_type, s.spectral_class, s.ra, s.dec,
    s.distance_pc, s.vmag)
FROM stage AS s
WHERE d.star_id = s.star_id
  AND (d.name, d.system, d.stars_in_system, d.planets_in_system, d.spectral_type, d.spectral_class, d.ra, d.dec,
       d.distance_pc, d.vmag)
      IS DISTINCT FROM (s.name, s.system, s.stars_in_system, s.planets_in_system, s.spectral_type, s.spectral_class, s.ra,
       s.dec, s.distance_pc, s.vmag);
\set updated :ROW_COUNT

INSERT INTO star.dim_star (
    star_id, name, system, stars_in_system, planets_in_system, spectral_type, spectral_class, ra, dec, distance_pc, vmag)
SELECT * FROM stage AS s
WHERE NOT EXISTS (SELECT FROM star.dim_star AS d WHERE d.star_id = s.star_id) ORDER BY star_id;
\set inserted :ROW_COUNT
ANALYZE star.dim_star;
