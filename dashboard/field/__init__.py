"""In the field: reports from phones with bad connections, and what became of them, for those who made them."""
