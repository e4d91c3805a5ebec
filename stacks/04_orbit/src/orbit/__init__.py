"""04_orbit: small bodies from JPL's files into a warehouse's raw tables, and through dbt into its marts."""
