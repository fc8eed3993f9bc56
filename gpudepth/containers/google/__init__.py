"""Google's depth in JPEG files: GDepth (XMP of the primary image)."""
