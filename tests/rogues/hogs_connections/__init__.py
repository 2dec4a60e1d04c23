"""A plugin that keeps connections to itself."""
