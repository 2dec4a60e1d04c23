-- phase: pre
-- Fails on every database.

CREATE SCHEMA bad_migration;
CREATE TABLE bad_migration.things (share integer NOT NULL DEFAULT 1 / 0);
INSERT INTO bad_migration.things DEFAULT VALUES;
