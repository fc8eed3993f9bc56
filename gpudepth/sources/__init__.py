"""Readers of what users have: maps as pictures and arrays, and the pairing of photos with maps."""
