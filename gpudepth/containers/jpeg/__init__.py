"""Reads and writes depth in JPEG files, as a further image of a multi-picture file as Apple does.

    file      a parsed file: primary, MPF, the other images, trailer
    image     encodes and decodes a map as a small gray JPEG like Apple's cameras
    layout    lays out a file: MPF made or extended, offsets of images updated, everything else copied
    writer    adds and removes depth
    jpeg      the container behind `containers.base.Container`
"""
