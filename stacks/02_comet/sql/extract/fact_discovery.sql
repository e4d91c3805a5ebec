\echo 'COPY stage FROM STDIN;'
COPY (
    SELECT p.planet_id, p.star_id, p.method_id, p.facility_id, p.discovered, coalesce(p.precision, 'unknown'),
        coalesce(b.reference, 'Unknown')
    FROM archive.planets AS p LEFT JOIN archive.publications AS b USING (publication_id)
    WHERE p.changed_at >= :'low' AND p.changed_at < :'high'
) TO STDOUT;
\echo '\\.'
