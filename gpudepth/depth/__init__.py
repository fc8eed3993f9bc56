"""Defines what a depth map is: formats, numbers, geometry. It uses numpy, but no files and no GPU."""
