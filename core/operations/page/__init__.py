"""The status page of the operators' listener: one page for eyes, with all replicas on it (ADR 33)."""
