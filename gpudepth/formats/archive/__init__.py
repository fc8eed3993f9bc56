"""Reads zip and tar archives as inputs: indexed once, members read one by one into memory. Nothing is extracted.

    member   one file of an archive, and how its bytes are read
    index    lists an archive: zip's central directory, tar's headers
"""
