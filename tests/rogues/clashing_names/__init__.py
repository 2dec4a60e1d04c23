"""A plugin that claims what is another's."""
