"""The benchmark behind ops/bench: short slices of load, in turn, on the server, on bare aiohttp and on pgbench.

The server has processor 0 to itself; the load and the stores have processor 1. What is compared is the processor time
of one request within one pair of neighbouring slices, because a shared machine changes its speed from minute to minute:
absolute numbers only say what order of size to expect.
"""
