-- phase: pre
-- All that any replica listens to, and not only what optional plugins do: a relay hands over also what only the other
-- release of a rolling deploy hears. What nobody has said for a while is forgotten (ADR 13).

ALTER TABLE kernel.plugin_consumers ADD COLUMN seen_at timestamptz NOT NULL DEFAULT clock_timestamp();
