-- All four dimensions in one stream. Methods and facilities are few: all of them, every
-- time. Stars and planets have no upper bound: a fact of this window may already belong to one that changed since.
\echo 'COPY new_method FROM STDIN;'
COPY (SELECT method_id, name FROM archive.methods) TO STDOUT;
\echo '\\.'
\echo 'COPY new_facility FROM STDIN;'
COPY (SELECT facility_id, name FROM archive.facilities) TO STDOUT;
\echo '\\.'
\echo 'COPY new_star FROM STDIN;'
COPY (
    SELECT star.star_id, star.name, system.name, system.stars, system.planets, coalesce(star.spectral_type, 'Unknown'),
        coalesce(substring(star.spectral_type FROM '[OBAFGKMLTY]'), 'Unknown'), system.ra, system.dec,
        system.distance_pc, system.vmag
    FROM archive.stars AS star JOIN archive.systems AS system USING (system_id)
    WHERE greatest(star.changed_at, system.changed_at) >= :'dimensions_low'
) TO STDOUT;
\echo '\\.'
\echo 'COPY new_planet FROM STDIN;'
COPY (
    SELECT planet_id, name, controversial FROM archive.planets
    WHERE changed_at >= :'dimensions_low'
) TO STDOUT;
\echo '\\.'
