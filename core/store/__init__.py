"""PostgreSQL, Redis and the caches: the only places that speak to them."""
