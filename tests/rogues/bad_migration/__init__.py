"""A plugin whose migration fails."""
