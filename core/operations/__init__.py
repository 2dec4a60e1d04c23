"""The operators' listener: a port of its own, beside the public one, for people and machines that know the token."""
