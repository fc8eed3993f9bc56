"""Reads, writes and checks depth in DNG files (1.5 and later), as a separate image beside the untouched raw image.

    file      a parsed file: which directory holds what
    codec     encodes and decodes strips and tiles of a map
    reader    reads the depth directory as DepthData
    writer    edits by appending: a new IFD 0 and what it newly refers to
    dng       the container behind `containers.base.Container`
"""
