"""Files of rows, and the mappings that make events of them."""
