"""Depth photos as a data set.

    dataset          a folder of photos → records and files
    photo            one photo: its depth, colour and camera
    layouts          how sets are laid out on disk
    layers           one OpenEXR file of a photo; colour: its light, linear
    auxiliary        mattes, gain maps, confidence
    reconstruction   relative maps aligned to COLMAP's points
"""
