"""Reads depth-map files, with one module per format behind `read_map`, and holds presets of what their values mean."""
