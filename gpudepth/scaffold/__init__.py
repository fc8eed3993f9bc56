"""A job made from what lies in a folder: which files are photos, which their maps, what the maps mean."""
