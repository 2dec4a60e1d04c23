"""Telling customers what happened to their orders and payments.

Words. An *entry* is a line in the app's own list. A *medium* is a way out of the process: push, sms, email.
A *delivery* is one message to be sent once through one medium, to one device for push. A *channel* is what speaks to
a provider. A *preference* decides about media, never about entries.

Invariant: an entry and its deliveries are written by the transaction that consumes the event, or not at all; what was
written is sent, refused for good, or expired, and each crash costs at most one repeat.
"""
