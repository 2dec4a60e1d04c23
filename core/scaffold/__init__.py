"""`vurksha new-plugin`: a working plugin in a package of its own, for whoever begins a domain."""
