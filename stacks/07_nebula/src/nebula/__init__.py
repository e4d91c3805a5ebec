"""07_nebula: retail orders from files into a warehouse's raw tables, and through dbt into a Kimball model."""
