"""The operators' console: what a running replica knows, asked at a prompt, and the few things that may be done to it.

A replica opens it for one person at a time, for fifteen minutes, on a private socket (RELIABILITY 4.13, ADR 32). Until
then nothing of it is imported; nothing in it runs code that somebody types.
"""
