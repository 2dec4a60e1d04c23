"""A package whose code counts as a plugin's in the tests of the watches."""
