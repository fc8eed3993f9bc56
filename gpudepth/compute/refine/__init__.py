"""Operations that change the values of a map, each only on request: fill, resize, smooth, align and others."""
