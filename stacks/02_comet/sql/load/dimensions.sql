UPDATE star.dim_method AS d SET name = s.name
FROM new_method AS s WHERE d.method_id = s.method_id AND d.name IS DISTINCT FROM s.name;
\set updated_method :ROW_COUNT

INSERT INTO star.dim_method (method_id, name)
SELECT method_id, name FROM new_method AS s
WHERE NOT EXISTS (SELECT FROM star.dim_method AS d WHERE d.method_id = s.method_id) ORDER BY method_id;
\set inserted_method :ROW_COUNT

UPDATE star.dim_facility AS d SET name = s.name
FROM new_facility AS s WHERE d.facility_id = s.facility_id AND d.name IS DISTINCT FROM s.name;
\set updated_facility :ROW_COUNT

INSERT INTO star.dim_facility (facility_id, name)
SELECT facility_id, name FROM new_facility AS s
WHERE NOT EXISTS (SELECT FROM star.dim_facility AS d WHERE d.facility_id = s.facility_id) ORDER BY facility_id;
\set inserted_facility :ROW_COUNT

UPDATE star.dim_star AS d
SET (name, system, stars_in_system, planets_in_system, spectral_type, spectral_class, ra, dec, distance_pc, vmag) = ROW (
    s.name, s.system, s.stars_in_system, s.planets_in_system, s.spectral_type, s.spectral_class, s.ra, s.dec,
    s.distance_pc, s.vmag)
FROM new_star AS s
WHERE d.star_id = s.star_id
  AND (d.name, d.system, d.stars_in_system, d.planets_in_system, d.spectral_type, d.spectral_class, d.ra, d.dec,
       d.distance_pc, d.vmag)
      IS DISTINCT FROM (s.name, s.system, s.stars_in_system, s.planets_in_system, s.spectral_type, s.spectral_class, s.ra,
       s.dec, s.distance_pc, s.vmag);
\set updated_star :ROW_COUNT

INSERT INTO star.dim_star (
    star_id, name, system, stars_in_system, planets_in_system, spectral_type, spectral_class, ra, dec, distance_pc, vmag)
SELECT * FROM new_star AS s
WHERE NOT EXISTS (SELECT FROM star.dim_star AS d WHERE d.star_id = s.star_id) ORDER BY star_id;
\set inserted_star :ROW_COUNT
SELECT :inserted_star > 0 AS grown \gset
\if :grown
    ANALYZE star.dim_star;
\endif

UPDATE star.dim_planet AS d SET name = s.name, controversial = s.controversial
FROM new_planet AS s
WHERE d.planet_id = s.planet_id AND (d.name, d.controversial) IS DISTINCT FROM (s.name, s.controversial);
\set updated_planet :ROW_COUNT

INSERT INTO star.dim_planet (planet_id, name, controversial)
SELECT * FROM new_planet AS s
WHERE NOT EXISTS (SELECT FROM star.dim_planet AS d WHERE d.planet_id = s.planet_id) ORDER BY planet_id;
\set inserted_planet :ROW_COUNT
SELECT :inserted_planet > 0 AS grown \gset
\if :grown
    ANALYZE star.dim_planet;
\endif

SELECT (SELECT count(*) FROM new_method) + (SELECT count(*) FROM new_facility) + (SELECT count(*) FROM new_star)
    + (SELECT count(*) FROM new_planet) AS read,
    :inserted_method + :inserted_facility + :inserted_star + :inserted_planet AS inserted,
    :updated_method + :updated_facility + :updated_star + :updated_planet AS updated \gset
