"""One photo: its map is decoded, prepared, encoded and attached; depth is extracted and converted."""
