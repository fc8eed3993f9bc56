"""A small made-up world with exactly known depth, for trying the program out and for testing it."""
