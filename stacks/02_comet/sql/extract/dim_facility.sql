-- Few rows: all of them, every time.
COPY (SELECT facility_id, name FROM archive.facilities) TO STDOUT;
