"""Implements the parts of ISO base media files (ISO/IEC 14496-12) that HEIF (23008-12) needs: boxes and `meta`.

    box         headers, nesting, cursors that name their place in errors
    items       pitm, iinf/infe, iref, entity groups
    properties  iprp: ipco, ipma
    locations   iloc
    meta        the meta box: parse, edit, serialise
"""
