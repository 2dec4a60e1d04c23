"""Personal data: what of it is where, copies for its owner, and its erasure everywhere (RELIABILITY 4.15)."""
