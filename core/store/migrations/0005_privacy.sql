-- phase: pre
-- Personal data (RELIABILITY 4.15): who asked to be forgotten, who was, and the copies that people asked for.

-- One row per request. `finished` names the owners of data that are through with it; `next_attempt_at` is also the end of a
-- lease: a worker that died is followed by another one.
CREATE TABLE kernel.erasures (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id         uuid        NOT NULL,
    origin          text        NOT NULL CHECK (origin IN ('user', 'operator', 'restore')),
    state           text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'erasing', 'done', 'undone')),
    requested_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at          timestamptz NOT NULL,
    limit_at        timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    finished        text[]      NOT NULL DEFAULT '{}',
    last_error      text,
    ended_at        timestamptz
);
CREATE UNIQUE INDEX erasures_open ON kernel.erasures (user_id) WHERE state IN ('waiting', 'erasing');
CREATE INDEX erasures_due ON kernel.erasures (next_attempt_at) WHERE state IN ('waiting', 'erasing');
CREATE INDEX erasures_time ON kernel.erasures (requested_at);

-- The ledger. A row is here from the moment from which there is no way back, and for ever: handlers of old events ask it, and
-- a restored database is erased anew by it. An id alone names nobody once its account is gone.
CREATE TABLE kernel.erased (
    user_id   uuid        PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE kernel.exports (
    id              uuid        PRIMARY KEY,
    user_id         uuid        NOT NULL,
    requested_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ready_at        timestamptz,
    expires_at      timestamptz,
    document        text
);
CREATE INDEX exports_of_user ON kernel.exports (user_id, requested_at DESC);
CREATE INDEX exports_due ON kernel.exports (next_attempt_at) WHERE ready_at IS NULL;
CREATE INDEX exports_old ON kernel.exports (expires_at) WHERE ready_at IS NOT NULL;

-- Ask for an erasure, in the transaction that closes the account. Until `p_window` is over it can be undone; three times as
-- long after the request everything is gone. Asking again can only bring it forward. Answers when the window ends.
CREATE FUNCTION kernel.request_erasure(p_user uuid, p_origin text, p_window interval) RETURNS timestamptz LANGUAGE sql AS $$
    INSERT INTO kernel.erasures AS e (user_id, origin, due_at, limit_at, next_attempt_at)
    SELECT p_user, p_origin, n.at + p_window, n.at + 3 * p_window, n.at + p_window FROM (SELECT clock_timestamp() AS at) n
    ON CONFLICT (user_id) WHERE state IN ('waiting', 'erasing') DO UPDATE SET
        due_at = least(e.due_at, excluded.due_at), limit_at = least(e.limit_at, excluded.limit_at),
        next_attempt_at = CASE WHEN e.state = 'waiting' THEN least(e.due_at, excluded.due_at) ELSE e.next_attempt_at END
    RETURNING due_at
$$;

-- Take a request back while its window is open. Answers whether there was one; whoever reopens the account does it after this.
CREATE FUNCTION kernel.undo_erasure(p_user uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE kernel.erasures SET state = 'undone', ended_at = clock_timestamp()
    WHERE user_id = p_user AND state = 'waiting' AND due_at > clock_timestamp();
    RETURN FOUND;
END $$;

-- A payload without what some of its keys hold. The keys stay, so that it still fits its event class.
CREATE FUNCTION kernel.scrubbed(p_payload jsonb, p_keys text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT p_payload || coalesce(
        (SELECT jsonb_object_agg(k.key, CASE jsonb_typeof(p_payload -> k.key) WHEN 'object' THEN '{}'::jsonb ELSE '""'::jsonb END)
         FROM unnest(p_keys) AS k(key) WHERE jsonb_typeof(p_payload -> k.key) <> 'null'),
        '{}')
$$;
