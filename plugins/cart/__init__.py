"""The cart: what one user means to buy.

line       a product and a quantity; a product has one line at most, a cart 100
cart       a user's lines in the order in which they were added, and their version; it lives 7 days after its last write
version    rises with every change and never falls, also over deletion; the higher one is the newer cart
copy       the priced answer, encoded, in Redis: what reads are answered from

Invariant: PostgreSQL holds the cart, and each change is one locked step there. A copy is only ever replaced by one of
the same or a higher version, and prices, names and images come from the catalogue, never from the client.
"""
