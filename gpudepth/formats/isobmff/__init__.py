"""ISO base media files (ISO/IEC 14496-12) as far as HEIF (23008-12) needs them: boxes, and the children of `meta`.

    box         headers, nesting, cursors that know where they are
    items       pitm, iinf/infe, iref, entity groups
    properties  iprp: ipco, ipma
    locations   iloc
    meta        the meta box: parse, edit, serialise
"""
