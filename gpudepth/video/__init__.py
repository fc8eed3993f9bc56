"""Reads and writes depth in clips (QuickTime, MP4-AT, Matroska, LeRobot) and matches frames by time."""
