"""A provider for development and tests that needs no network: a page of our own, where one approves or declines.

It keeps nothing. The page's address carries a signed bill; deciding on it gives a signed notice, which the page posts
to the webhook's address, so that it takes the same way as a real provider's. It does not exist in production.
"""
