"""A plugin whose work takes as long as a test says."""
