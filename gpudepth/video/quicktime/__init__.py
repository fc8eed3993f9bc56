"""Apple's depth video: a track of monochrome 10-bit HEVC beside the colour track of a movie, entry 'dish' or 'deph'.

    log_code     'disc': the range, and 10-bit logarithmic codes ↔ metres or 1/metres
    depth_track  which track it is, what it says, and the colour track it belongs to
    reader       frames in presentation order, one at a time
    encoder      maps → coded samples (experimental)
    trak         the boxes of a depth track (experimental)
    writer       a depth track put into a movie, its own samples untouched (experimental)

Apple documents none of this. The layout is what files of iPhones show and what is publicly reported of VideoToolbox.
"""
