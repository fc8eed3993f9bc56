"""Depth in clips: QuickTime, MP4-AT, Matroska and LeRobot; frames in, frames out, matching by time."""
