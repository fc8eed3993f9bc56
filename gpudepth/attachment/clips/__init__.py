"""Clips: depth out of them, and depth into their frames.

    frames      what a clip that knows its depth holds: Apple's tracks, MP4-AT, LeRobot's, our own depth video
    files       these frames as numbered files, or as depth video
    record      source.clip of a job
    pictures    one side of a clip: frames of a video, or photos in a sequence
    maps        the other: whatever holds depth
    match       which map goes to which frame
    span        the range that all frames share
    still       a frame as a photo
    photos      a clip → photos with depth
    movie       a clip → a movie with depth
    ordered     threads that keep the order
    attach      one clip; plan, item: those of a job
"""
