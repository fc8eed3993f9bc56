"""Parses movies: QuickTime files and their ISO successors (QuickTime File Format, ISO/IEC 14496-12).

    movie        top-level boxes, moov, mvhd, the tracks
    track        trak: tkhd with its matrix, tref, edts/elst, mdia with mdhd and hdlr
    samples      stsd, stts, ctts, stsc, stsz, stco or co64, stss: where every sample is, and when it is shown
    metadata     moov/meta: keys and values

Boxes are read by position. Sample data is never loaded here, and depth has no meaning here.
"""
