"""The kernel's commands for operators: the audit log, signing keys, the outbox, dead letters."""
