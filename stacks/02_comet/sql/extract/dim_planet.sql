-- No upper bound: a fact of this window may already belong to a planet that changed since.
COPY (
    SELECT planet_id, name, controversial FROM archive.planets
    WHERE changed_at >= :'dimensions_low'
) TO STDOUT;
