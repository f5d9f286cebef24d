"""Many contacts, page after page."""
