-- Few rows: all of them, every time.
COPY (SELECT method_id, name FROM archive.methods) TO STDOUT;
