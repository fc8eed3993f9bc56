"""Reads, writes and checks Google's depth in JPEG files: GDepth and Dynamic Depth."""
