-- A solution that lost all its measurements comes as one row without a parameter: so the load knows what to delete.
\echo 'COPY stage FROM STDIN;'
COPY (
    SELECT s.solution_id, m.parameter, s.planet_id, p.star_id, s.published, b.reference, s.kind, s.is_default,
        m.value, m.err_plus, m.err_minus, m.bound
    FROM archive.solutions AS s
    JOIN archive.planets AS p USING (planet_id)
    JOIN archive.publications AS b ON b.publication_id = s.publication_id
    LEFT JOIN archive.measurements AS m USING (solution_id)
    WHERE s.changed_at >= :'low' AND s.changed_at < :'high'
) TO STDOUT;
\echo '\\.'
