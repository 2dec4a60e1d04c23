-- phase: pre
-- Plugins that no replica calls (ADR 22): a row is written once, by whoever finds out first, and followed by all.

CREATE TABLE kernel.plugin_states (
    plugin text        PRIMARY KEY,
    -- quarantined by the kernel, or disabled by an operator.
    state  text        NOT NULL CHECK (state IN ('quarantined', 'disabled')),
    reason text        NOT NULL,
    by     text        NOT NULL,
    since  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What optional plugins listen to, so that their events wait for them also while their code cannot be loaded.
CREATE TABLE kernel.plugin_consumers (
    consumer   text NOT NULL,
    event_type text NOT NULL,
    plugin     text NOT NULL,
    PRIMARY KEY (consumer, event_type)
);
