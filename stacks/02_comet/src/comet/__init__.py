"""02_comet: the Exoplanet Archive's files into a normalised database, and from there into a star schema."""
