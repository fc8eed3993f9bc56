"""Android's MP4-AT 0.9: a normal MP4 whose last box, 'axte', is a complete MP4 of auxiliary tracks.

    near_far   the codes of a depth track, and the range that its metadata track says for each frame
    tracks     where the tracks are, which of them are depth, and what is unusual
    reader     frames in presentation order, one at a time
    encoder    maps → coded samples: gray in 4:2:0, which decoders without support for depth take
    writer     the box put behind a movie, whose own samples stay where they are

The specification is public (developer.android.com/media/platform/mp4-at-file-format). No file of a phone was at hand.
"""
