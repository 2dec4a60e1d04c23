"""Orders: what a customer was promised, at which price, and how far it has come.

Words. A *line* is a product and a quantity; a *bill* is what lines cost with delivery and discount; *placing* turns
lines into an order, its payment, its number and its events in one commit; a *move* takes an order from one status to
the next; the *timeline* is the audit of all moves, as customers see it; *settled* means paid, or payable at the door.

Invariant: an order, its number, the stock it took, its payment, its first timeline entry, its events and the answer
kept for its idempotency key exist together or not at all; and the stock of a cancelled order returned exactly once.
"""
