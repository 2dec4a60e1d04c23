"""Typed events: written with the change they announce, delivered at least once, handled once in effect."""
