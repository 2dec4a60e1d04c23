"""Who the customers are: sign-in by phone code, sessions, profiles, delivery addresses.

Glossary
    account     one person, known by one phone number; closed first, then erased
    challenge   one code that was sent to a phone for one purpose; at most one per phone and purpose is live
    session     one sign-in on one device; the family of all refresh tokens that descend from it
    generation  which refresh token of a session: 0 at sign-in, one more at each rotation
    feed        the revocations of the last minutes, kept in memory by every replica
    default     the address that an order goes to unless told otherwise

Invariant: a code, a refresh token and a default address each have one holder at any moment. A code signs in once, a
session has one current refresh token, and a customer with addresses has exactly one default.
"""
