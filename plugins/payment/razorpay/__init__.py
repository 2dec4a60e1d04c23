"""Razorpay: its REST API, and the webhooks by which it tells what became of a payment.

https://razorpay.com/docs/api/. Amounts are paise; its orders are this domain's gateway orders, its payments are
attempts.
"""
