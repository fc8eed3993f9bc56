"""Parses movies: QuickTime files and their ISO successors (QuickTime File Format, ISO/IEC 14496-12).

    movie        top level boxes, moov, mvhd, the tracks
    track        trak: tkhd, tref, edts/elst, mdia with mdhd and hdlr
    matrix       tkhd's matrix ↔ Exif orientation
    description  stsd: sample entries and their extension boxes
    samples      stts, ctts, stsc, stsz, stco or co64, stss → where every sample lies, and when it is shown

Boxes are read by position, and sample data is never loaded here. This package knows nothing of depth.
"""
