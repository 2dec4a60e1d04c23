"""A plugin whose every handler raises."""
