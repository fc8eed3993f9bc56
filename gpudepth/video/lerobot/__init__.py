"""Reads and writes depth video of LeRobot's data sets (github.com/huggingface/lerobot): 12-bit codes in lossless HEVC.

    metadata     metres ↔ codes 0…4095; the entry of a feature in meta/info.json, and where it is for a video
    depth_video  frames ↔ an MP4 of gray12le
"""
