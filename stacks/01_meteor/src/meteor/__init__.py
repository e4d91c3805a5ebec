"""01_meteor: files of space launches, cleaned with pandas, loaded into PostgreSQL exactly once."""
