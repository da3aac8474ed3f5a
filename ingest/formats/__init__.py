"""What each outside format says, as records: shared by the doors that carry it."""
