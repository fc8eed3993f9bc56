"""Implements the parts of HEVC (ITU-T H.265) that still pictures need.

    nal             NAL units, Annex B, emulation prevention
    parameter_sets  profile, tier, level; picture size, chroma format, bit depth; hvcC
    depth_sei       depth_representation_info, in and out of auxC
    codec           encodes and decodes single pictures with FFmpeg's libraries
"""
