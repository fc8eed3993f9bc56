"""DNG files: depth as an image of its own (DNG 1.5 and later), the raw image untouched.

    file      a parsed file: which directory holds what
    codec     coded strips and tiles of a map, and back
    reader    the depth directory → DepthData
    writer    edits that only append: a new IFD 0 and what it newly refers to
    dng       the container: all of it behind `containers.base.Container`
"""
