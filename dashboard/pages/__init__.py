"""The three screens: the wall, the duty desk and the briefing."""
