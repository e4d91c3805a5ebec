CREATE TEMPORARY TABLE stage (fact text, id integer, expected bigint) ON COMMIT DROP;
