"""Depth video without loss: FFV1 in Matroska."""
