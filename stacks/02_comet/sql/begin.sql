-- Around each step: what it loads and that it is done become true together.
\set inserted 0
\set updated 0
\set deleted 0
BEGIN;
SELECT etl.begin_step(:run, :'step') \g /dev/null
