"""Processes clips: writes their depth as files, and attaches depth to their frames.

    files       depth of a clip as numbered files, or as depth video
    pictures    the colour side of a clip: frames of a video, or a sequence of photos
    maps        the depth side of a clip
    match       which map belongs to which frame
    span        the range that all frames share
    still       a frame as a photo
    photos      a clip as photos with depth
    movie       a clip as a movie with depth
    attach      one clip without a job
"""
