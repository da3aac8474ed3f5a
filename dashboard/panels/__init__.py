"""Parts of pages: the skeletons that a page's live feed fills."""
