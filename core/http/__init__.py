"""Declared routes, compiled once at start; everything between the socket and a handler."""
