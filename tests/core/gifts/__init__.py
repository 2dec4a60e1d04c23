"""An optional plugin, for tests of what is done to such: it behaves, or misbehaves as it is told."""
