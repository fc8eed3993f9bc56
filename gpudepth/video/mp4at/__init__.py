"""Reads, writes and checks Android's MP4-AT 0.9: an MP4 whose last box, 'axte', is an MP4 of auxiliary tracks.

    tracks     finds the tracks and those of depth, and the range that a metadata track declares for each frame
    reader     reads frames in presentation order, one at a time
    writer     appends the box to a movie, whose own samples stay where they are: gray in 4:2:0
    check      checks a file against the rules

The specification is public (developer.android.com/media/platform/mp4-at-file-format). Not tested on files of phones.
"""
