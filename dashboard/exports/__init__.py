"""Lists and tables that officers take away as files."""
