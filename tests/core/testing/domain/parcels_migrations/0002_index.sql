-- phase: pre
-- mode: alone
CREATE INDEX CONCURRENTLY IF NOT EXISTS arrived_seen ON parcels.arrived (seen_at);
