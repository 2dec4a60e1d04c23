"""The gateway: its configuration, and what keeps its keys those of the ring."""
