"""Space only: county packs, codes, coordinate systems, point-to-cell."""
