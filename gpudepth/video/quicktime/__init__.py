"""Handles Apple's depth video: a track of monochrome 10-bit HEVC ('dish' or 'deph') beside a movie's colour track.

log_code     'disc', the range, and 10-bit logarithmic codes ↔ metres or 1/metres
depth_track  finds the depth track, its properties and its colour track
reader       reads frames in presentation order, one at a time
encoder      encodes maps to samples and writes the file (experimental)
trak         writes the boxes of a depth track (experimental)
writer       adds a depth track to a movie without touching its samples (experimental)

Apple documents none of this. The layout follows files of iPhones and what is publicly reported of VideoToolbox.
"""
