INSERT INTO etl.steps (run_id, step, read, inserted, updated, deleted)
VALUES (:run, :'step', :read, :inserted, :updated, :deleted);
COMMIT;
\echo :read :inserted :updated :deleted
