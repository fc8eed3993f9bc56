"""Reads and writes depth in HEIF files (.heic, .heif, and .avif as attach targets) as an auxiliary HEVC image.

    file            a parsed file: items, sizes, orientation, auxiliary images
    rewrite         edits that keep other items: items added and dropped, offsets remapped
    reader          reads depth items as DepthData
    writer          writes codes as depth item, XMP item, properties and references
    photo_encoder   opens photos by Pillow and encodes them once as HEIC
    heif            the container behind `containers.base.Container`
"""
