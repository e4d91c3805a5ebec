"""The schema, one file per version: what a database has applied is never edited."""
