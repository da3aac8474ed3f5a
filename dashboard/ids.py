"""Ids of Dash components; the live parts of a page are found by their `data-` attributes instead."""

URL = "url"
PAGE = "page"

QUEUE = "queue"
