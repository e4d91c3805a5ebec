CREATE TEMPORARY TABLE trailer (word text) ON COMMIT DROP;
\copy trailer from pstdin
DO $$ BEGIN PERFORM etl.whole((SELECT max(word) FROM trailer)); END $$;
