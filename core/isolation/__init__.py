"""Isolation of plugins: one that misbehaves is named and put aside, while the rest goes on (ADR 22).

`guards` counts what goes wrong and says who is available; `feed` carries that to every replica by
`kernel.plugin_states`; `loop_watch`, `task_watch`, `memory_watch` and `connections` name who holds up, leaks or hogs
what all share.
"""
