"""Writes a job for the files in a folder: finds photos and their maps, and guesses what the values of the maps mean."""
