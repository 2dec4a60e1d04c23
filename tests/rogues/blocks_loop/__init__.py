"""A plugin that blocks the loop."""
