"""Implements the parts of HEVC (ITU-T H.265) that a monochrome still picture needs.

    nal             NAL units, Annex B, emulation prevention
    parameter_sets  profile, tier, level; picture size, chroma format, bit depth
    configuration   hvcC
    depth_sei       depth_representation_info, in and out of auxC
    codec           encode and decode one monochrome picture by FFmpeg's libraries
"""
