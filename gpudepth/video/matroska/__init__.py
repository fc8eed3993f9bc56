"""Reads, writes and checks lossless depth video: FFV1 in Matroska."""
