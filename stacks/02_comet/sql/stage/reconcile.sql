-- Counted here while the operational database counts there.
SELECT (SELECT count(*) FROM star.fact_discovery) AS discoveries, (SELECT count(*) FROM star.fact_measurement) AS measured \gset

CREATE TEMPORARY TABLE stage (fact text, expected bigint, later integer) ON COMMIT DROP;
