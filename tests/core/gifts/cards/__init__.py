"""A plugin that requires the gifts."""
