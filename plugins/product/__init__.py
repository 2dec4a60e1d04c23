"""What the shop sells: products, categories, banners, and how much of each can be had.

Words: the *price* is undiscounted, the *unit price* is what a customer pays for one unit; *stock* is whole units; an
*edit* changes what a product is, a *sale* only its stock; the *catalogue* is every product in memory.

Invariant: stock is never negative, and what is in memory is at most 60 seconds older than the database.
"""
