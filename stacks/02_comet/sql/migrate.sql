-- Bring the warehouse to its newest version: the files of sql/migrations, in order, once each, all or nothing.
\set QUIET on
SET client_min_messages = warning;
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('etl migrate', 0)) \g /dev/null
CREATE SCHEMA IF NOT EXISTS etl;
CREATE TABLE IF NOT EXISTS etl.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
SELECT NOT EXISTS (SELECT FROM etl.migrations WHERE name = '001_star.sql') AS missing \gset
\if :missing
    \ir migrations/001_star.sql
    INSERT INTO etl.migrations (name) VALUES ('001_star.sql');
\endif
COMMIT;
