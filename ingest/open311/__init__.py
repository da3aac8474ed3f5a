"""Open311 GeoReport v2: citizens' reports in, and word of what became of them out (`docs/open311.md`)."""
