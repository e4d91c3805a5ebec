CREATE TEMPORARY TABLE new_method (method_id integer, name text) ON COMMIT DROP;
CREATE TEMPORARY TABLE new_facility (facility_id integer, name text) ON COMMIT DROP;
CREATE TEMPORARY TABLE new_star (
    star_id integer, name text, system text, stars_in_system smallint, planets_in_system smallint, spectral_type text,
    spectral_class text, ra double precision, dec double precision, distance_pc double precision, vmag double precision
) ON COMMIT DROP;
CREATE TEMPORARY TABLE new_planet (planet_id integer, name text, controversial boolean) ON COMMIT DROP;
