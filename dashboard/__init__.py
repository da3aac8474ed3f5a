"""Dash pages, sessions and the live hub."""
