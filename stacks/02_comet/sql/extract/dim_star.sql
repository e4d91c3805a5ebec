-- No upper bound: a fact of this window may already belong to a star that changed since.
COPY (
    SELECT star.star_id, star.name, system.name, system.stars, system.planets, coalesce(star.spectral_type, 'Unknown'),
        coalesce(substring(star.spectral_type FROM '[OBAFGKMLTY]'), 'Unknown'), system.ra, system.dec,
        system.distance_pc, system.vmag
    FROM archive.stars AS star JOIN archive.systems AS system USING (system_id)
    WHERE greatest(star.changed_at, system.changed_at) >= :'dimensions_low'
) TO STDOUT;
