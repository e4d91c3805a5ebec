SELECT m.name, count(DISTINCT d.planet_key), min(y.year), max(y.year),
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY f.value)::numeric, 2)
FROM star.fact_discovery AS d
JOIN star.dim_method AS m USING (method_key)
JOIN star.dim_date AS y ON y.date_key = d.discovered_key
LEFT JOIN star.fact_measurement AS f
    ON f.planet_key = d.planet_key AND f.parameter = 'pl_orbper' AND f.bound = 0 AND (f.is_default OR f.kind = 'Composite')
GROUP BY m.name ORDER BY count(DISTINCT d.planet_key) DESC, m.name
