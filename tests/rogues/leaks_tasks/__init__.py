"""A plugin that leaves its tasks behind."""
