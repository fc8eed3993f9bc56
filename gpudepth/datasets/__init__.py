"""Writes depth photos as data sets.

    dataset          writes a folder of photos with their records
    photo            reads the depth, colour and camera of one photo
    layouts          defines which files each layout has
    layers           writes one photo as an OpenEXR file with linear colour
    auxiliary        writes mattes, gain maps and confidence
    reconstruction   aligns relative maps to the points of a COLMAP model
"""
