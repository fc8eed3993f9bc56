"""Reads, writes and checks Android's MP4-AT 0.9: an MP4 whose last box, 'axte', is an MP4 of auxiliary tracks.

    near_far   the codes of a depth track, and the range that its metadata track declares for each frame
    tracks     finds the tracks, tells which are depth, and notes what is unusual
    reader     reads frames in presentation order, one at a time
    encoder    encodes maps to samples: gray in 4:2:0, which decoders without depth support accept
    writer     appends the box to a movie, whose own samples stay where they are

The specification is public (developer.android.com/media/platform/mp4-at-file-format). Not tested on files of phones.
"""
