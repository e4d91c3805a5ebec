CREATE TEMPORARY TABLE stage (
    solution_id integer, parameter text, planet_id integer, star_id integer, published date, reference text, kind text,
    is_default boolean, value double precision, err_plus double precision, err_minus double precision, bound smallint
) ON COMMIT DROP;
