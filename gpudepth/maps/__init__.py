"""Readers of depth-map files, one module per format behind `read_map`, and presets of what their values mean."""
