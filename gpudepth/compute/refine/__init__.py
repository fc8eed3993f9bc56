"""Operations that change what a map says, each only when it is named: fill its holes, change its size."""
