"""What was refused: looking at it, and trying it again."""
