"""HEIF files (.heic, .heif, .avif as attach targets): depth as an auxiliary HEVC image, Apple's way.

    file      a parsed file: items, sizes, orientation, which auxiliaries there are
    rewrite   edits that move everything else along: items added and dropped, offsets remapped
    reader    depth items → DepthData
    writer    codes → depth item, XMP item, their properties and references
    photo     other pictures → a HEIC file, encoded once
    heif      the container: all of it behind `containers.base.Container`
"""
