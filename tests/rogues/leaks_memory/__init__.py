"""A plugin that keeps all that it ever had."""
