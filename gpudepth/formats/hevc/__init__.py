"""Implements the parts of HEVC (ITU-T H.265) that still pictures need.

    nal             NAL units, Annex B, emulation prevention
    parameter_sets  profile, tier, level; picture size, chroma format, bit depth; hvcC
    depth_sei       depth_representation_info, in and out of auxC
    effort          how much an encoder may spend on a small file
    pcm             encodes single pictures as blocks of plain samples, without an encoder library
    codec           encodes and decodes single pictures with FFmpeg's libraries
"""
