"""Pictures: pure functions from the county's live state to what is drawn."""
