-- phase: pre
-- Where events end that could not go on, so that operators find them in one place besides kernel.inbox (state 'dead').

-- Refused by the broker five times. A row that is put back into kernel.outbox keeps its event id, and so is harmless.
CREATE TABLE kernel.outbox_dead (
    seq             bigint      PRIMARY KEY,
    event_id        uuid        NOT NULL UNIQUE,
    event_type      text        NOT NULL,
    version         smallint    NOT NULL,
    aggregate_type  text        NOT NULL,
    aggregate_id    text        NOT NULL,
    payload         jsonb       NOT NULL,
    metadata        jsonb       NOT NULL,
    occurred_at     timestamptz NOT NULL,
    attempts        integer     NOT NULL,
    last_error      text,
    died_at         timestamptz NOT NULL DEFAULT now()
);

-- Taken from the broker's dead-letter queue: messages that never became an inbox row. One row per consumer and message,
-- however often it comes. `body` is cut at 64 KB, `size` is its whole length; event id and type where they can be read.
CREATE TABLE kernel.dead_letters (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text        NOT NULL,
    event_id    uuid,
    event_type  text,
    reason      text        NOT NULL,
    body        bytea       NOT NULL,
    size        integer     NOT NULL,
    headers     jsonb       NOT NULL,
    fingerprint bytea       NOT NULL UNIQUE,
    died_at     timestamptz NOT NULL DEFAULT now(),
    state       text        NOT NULL DEFAULT 'dead' CHECK (state IN ('dead', 'replayed', 'discarded')),
    finished_at timestamptz
);
CREATE INDEX dead_letters_open ON kernel.dead_letters (id) WHERE state = 'dead';
CREATE INDEX dead_letters_finished ON kernel.dead_letters (finished_at) WHERE state <> 'dead';

-- Dead deliveries, in the order of their events.
CREATE INDEX inbox_dead ON kernel.inbox (seq) WHERE state = 'dead';
