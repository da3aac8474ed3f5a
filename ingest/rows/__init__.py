"""Records to SQL, one module a kind."""
