"""A plugin whose lifespan never begins."""
