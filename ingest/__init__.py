"""The county's front door: parse, place, de-duplicate, stream and record every event."""
