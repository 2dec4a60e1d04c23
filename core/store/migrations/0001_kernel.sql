-- phase: pre
-- What every domain leans on: idempotency records, the outbox, the inbox.

CREATE SCHEMA IF NOT EXISTS kernel;

-- One row per keyed request. Only finished ones survive a commit, so a row without an answer is never seen by others.
CREATE TABLE kernel.operations (
    user_id     uuid        NOT NULL,
    route       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    status      smallint,
    body        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, route, key)
);
CREATE INDEX operations_age ON kernel.operations (created_at);

CREATE TABLE kernel.outbox (
    seq             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid        NOT NULL UNIQUE,
    event_type      text        NOT NULL,
    version         smallint    NOT NULL,
    aggregate_type  text        NOT NULL,
    aggregate_id    text        NOT NULL,
    payload         jsonb       NOT NULL,
    metadata        jsonb       NOT NULL,
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts        integer     NOT NULL DEFAULT 0,
    last_error      text,
    published_at    timestamptz
);
-- The relay looks for the oldest unpublished row of each aggregate.
CREATE INDEX outbox_unpublished ON kernel.outbox (aggregate_type, aggregate_id, seq) WHERE published_at IS NULL;
CREATE INDEX outbox_due ON kernel.outbox (next_attempt_at, seq) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON kernel.outbox (published_at) WHERE published_at IS NOT NULL;

-- One row per consumer and event: the delivery, its state, and the proof that it took effect once.
CREATE TABLE kernel.inbox (
    consumer        text        NOT NULL,
    event_id        uuid        NOT NULL,
    seq             bigint      NOT NULL,
    event_type      text        NOT NULL,
    version         smallint    NOT NULL,
    aggregate_type  text        NOT NULL,
    aggregate_id    text        NOT NULL,
    payload         jsonb       NOT NULL,
    metadata        jsonb       NOT NULL,
    occurred_at     timestamptz NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    state           text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error      text,
    finished_at     timestamptz,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_due ON kernel.inbox (next_attempt_at, seq) WHERE state = 'waiting';
CREATE INDEX inbox_order ON kernel.inbox (consumer, aggregate_type, aggregate_id, seq) WHERE state = 'waiting';
CREATE INDEX inbox_finished ON kernel.inbox (finished_at) WHERE state = 'done';

-- Announce one event from inside a domain's own SQL function.
CREATE FUNCTION kernel.emit(
    p_event_id uuid, p_type text, p_version integer, p_aggregate_type text, p_aggregate_id text, p_payload jsonb, p_metadata jsonb
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata)
    VALUES (p_event_id, p_type, p_version, p_aggregate_type, p_aggregate_id, p_payload, p_metadata)
$$;

-- Claim a keyed request inside the transaction that does its work. Answers no row when the work is the caller's to do, or
-- the stored answer. A twin waits here, on the primary key, until the first one commits or rolls back; at most 2.5 s.
-- Refusals (SQLSTATE VK000, MESSAGE says which): KEY_REUSED, IN_PROGRESS.
CREATE FUNCTION kernel.begin_operation(
    p_user uuid, p_route text, p_key text, p_fingerprint bytea, OUT status smallint, OUT body text
) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    v_fingerprint bytea;
    v_timeout     text := current_setting('lock_timeout');
BEGIN
    PERFORM set_config('lock_timeout', '2500ms', true);
    BEGIN
        INSERT INTO kernel.operations AS o (user_id, route, key, fingerprint)
        VALUES (p_user, p_route, p_key, p_fingerprint) ON CONFLICT DO NOTHING;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'IN_PROGRESS';
    END;
    IF NOT FOUND THEN
        SELECT o.fingerprint, o.status, o.body INTO v_fingerprint, status, body FROM kernel.operations o
        WHERE o.user_id = p_user AND o.route = p_route AND o.key = p_key;
        IF v_fingerprint IS DISTINCT FROM p_fingerprint THEN
            RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'KEY_REUSED';
        END IF;
        RETURN NEXT;
    END IF;
    PERFORM set_config('lock_timeout', v_timeout, true);
END $$;

-- Keep the answer for whoever repeats the request; same transaction as the work.
CREATE FUNCTION kernel.finish_operation(p_user uuid, p_route text, p_key text, p_status integer, p_body text)
RETURNS void LANGUAGE sql AS $$
    UPDATE kernel.operations SET status = p_status, body = p_body
    WHERE user_id = p_user AND route = p_route AND key = p_key
$$;

-- Many events in one round trip, for the transaction object.
CREATE FUNCTION kernel.emit_all(
    p_ids uuid[], p_types text[], p_versions integer[], p_aggregate_types text[], p_aggregate_ids text[], p_payloads text[], p_metadata text
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata)
    SELECT t.id, t.type, t.version, t.aggregate_type, t.aggregate_id, t.payload::jsonb, p_metadata::jsonb
    FROM unnest(p_ids, p_types, p_versions, p_aggregate_types, p_aggregate_ids, p_payloads) WITH ORDINALITY
         AS t(id, type, version, aggregate_type, aggregate_id, payload, position)
    ORDER BY t.position
$$;
