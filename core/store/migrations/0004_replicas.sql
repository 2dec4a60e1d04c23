-- phase: pre
-- Who serves: one row per living replica, written every other second by itself, and what it runs (ADR 16).
-- Nothing is lost with a row: its replica writes it again. So it is kept out of the write-ahead log.

CREATE UNLOGGED TABLE kernel.replicas (
    id         uuid        PRIMARY KEY,
    host       text        NOT NULL,
    pid        integer     NOT NULL,
    -- Version and release, plugins and their versions, migration heads, digests of the settings.
    code       jsonb       NOT NULL,
    ready      boolean     NOT NULL,
    reasons    text[]      NOT NULL,
    -- The dependencies that it reaches.
    up         text[]      NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 40);
