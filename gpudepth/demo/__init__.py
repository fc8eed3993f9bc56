"""Makes photos with exactly known depth, for demonstrations and tests."""
