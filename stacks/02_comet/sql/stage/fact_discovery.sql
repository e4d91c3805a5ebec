CREATE TEMPORARY TABLE stage (
    planet_id integer, star_id integer, method_id integer, facility_id integer, discovered date, date_precision text,
    reference text
) ON COMMIT DROP;
