"""Payments: how the money of an order moves, and what the provider says about it.

Words. A *payment* is what an order asks of a customer; a *provider* moves money for us, such as Razorpay; the
*gateway order* is the provider's own record of a payment; an *attempt* is one try of the customer to pay it, which
fails, or is *authorized* (the money is held) and then *captured* (it is ours); a *notice* is what a provider tells by
webhook; a *check* asks the provider how a payment stands; a *refund* sends captured money back, whole or in part;
an *errand* is one piece of work for a worker, kept in a row; a payment is *flagged* when people have to look at it.

Invariant: a payment completes only by what the provider says of the same order, amount and currency, once and forward
only; and what goes back of an attempt never exceeds what was captured by it, refunds that are under way included.
"""
