-- How many rows each fact must have, and which rows changed since the window ended: they don't count on either side.
\echo 'COPY stage FROM STDIN;'
COPY (
    WITH later AS (SELECT solution_id FROM archive.solutions WHERE changed_at >= :'high')
    SELECT 'fact_discovery', count(*), NULL::integer FROM archive.planets WHERE changed_at < :'high'
    UNION ALL
    SELECT 'fact_measurement', (SELECT count(*) FROM archive.measurements)
        - (SELECT count(*) FROM archive.measurements JOIN later USING (solution_id)), NULL
    UNION ALL
    SELECT 'fact_discovery', NULL, planet_id FROM archive.planets WHERE changed_at >= :'high'
    UNION ALL
    SELECT 'fact_measurement', NULL, solution_id FROM later
) TO STDOUT;
\echo '\\.'
