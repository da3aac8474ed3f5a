"""Asking systems that only offer a file or a list."""
