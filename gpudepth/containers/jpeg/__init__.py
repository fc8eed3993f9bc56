"""JPEG files: depth as a further image of a multi-picture file, Apple's way.

    file      a parsed file: primary, MPF, the other images, what follows them
    image     a map as a small gray JPEG in the form of Apple's cameras, and back
    layout    a file laid out anew: MPF made or extended, images re-pointed, everything else copied
    writer    the edits: depth put in, and taken out
    jpeg      the container: all of it behind `containers.base.Container`
"""
