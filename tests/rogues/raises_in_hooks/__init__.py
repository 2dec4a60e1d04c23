"""A plugin whose hooks raise."""
