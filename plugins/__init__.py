"""The domains, one package each. A further one may live here or in a wheel of its own."""
