"""Archives as inputs: zip and tar, listed once, their members read one by one into memory. Nothing is extracted.

    member   one file of an archive, and how its bytes are read
    index    what an archive holds: zip's central directory, tar's headers
"""
