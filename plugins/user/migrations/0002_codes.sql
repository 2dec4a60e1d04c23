-- phase: pre
-- Sending and using one-time codes, one call each (RELIABILITY 4.5). Every number comes from the settings.

-- Count one event in a sliding window of `p_window` seconds, estimated from two fixed ones. Answers 0 when it is allowed, or
-- the seconds to wait; the caller then refuses, which also takes the count back. The row stays locked until the commit,
-- so the limit holds exactly however many ask at once.
CREATE FUNCTION users.count_send(p_scope text, p_subject text, p_window integer, p_limit integer)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_now      double precision;
    v_opened   bigint;
    v_current  integer;
    v_previous integer;
BEGIN
    v_now := extract(epoch FROM clock_timestamp());
    v_opened := floor(v_now / p_window)::bigint * p_window;
    INSERT INTO users.code_counters AS c (scope, subject, opened, current, previous)
    VALUES (p_scope, p_subject, v_opened, 1, 0)
    ON CONFLICT (scope, subject) DO UPDATE SET
        previous = CASE WHEN c.opened >= v_opened THEN c.previous WHEN c.opened = v_opened - p_window THEN c.current ELSE 0 END,
        current = CASE WHEN c.opened >= v_opened THEN c.current + 1 ELSE 1 END,
        opened = greatest(c.opened, v_opened)
    RETURNING c.opened, c.current, c.previous INTO v_opened, v_current, v_previous;
    IF v_current + v_previous * greatest(0, least(1, 1 - (v_now - v_opened) / p_window)) > p_limit THEN
        RETURN greatest(1, ceil(v_opened + p_window - v_now)::integer);
    END IF;
    RETURN 0;
END $$;

CREATE FUNCTION users.refuse_send(p_scope text, p_wait integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'TOO_MANY_CODES',
        DETAIL = json_build_object('scope', p_scope, 'retryIn', p_wait)::text;
END $$;

-- Refuse when `p_limit` challenges of the phone or device lie within the last `p_window`: an exact sliding window.
CREATE FUNCTION users.check_sends(p_phone text, p_device text, p_window interval, p_limit integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_oldest timestamptz;
BEGIN
    IF p_phone IS NOT NULL THEN
        SELECT c.created_at INTO v_oldest FROM users.challenges c
        WHERE c.phone = p_phone AND c.created_at > clock_timestamp() - p_window
        ORDER BY c.created_at DESC OFFSET p_limit - 1 LIMIT 1;
    ELSE
        SELECT c.created_at INTO v_oldest FROM users.challenges c
        WHERE c.device_id = p_device AND c.created_at > clock_timestamp() - p_window
        ORDER BY c.created_at DESC OFFSET p_limit - 1 LIMIT 1;
    END IF;
    IF v_oldest IS NOT NULL THEN
        PERFORM users.refuse_send(CASE WHEN p_phone IS NULL THEN 'device' ELSE 'phone' END,
            greatest(1, ceil(extract(epoch FROM v_oldest + p_window - clock_timestamp()))::integer));
    END IF;
END $$;

-- Make one code the phone's live one and queue it. Answers the seconds until another may be asked for, and whether a message
-- was queued. Locks are taken in one order (phone, device, address, prefix, all), so sends never wait in a circle.
-- Refusal: TOO_MANY_CODES {scope, retryIn}.
CREATE FUNCTION users.send_code(
    p_id uuid, p_phone text, p_purpose text, p_hmac bytea, p_sealed bytea, p_device text, p_address text, p_prefix text,
    p_lifetime integer, p_cooldown integer, p_phone_hour integer, p_phone_day integer, p_device_hour integer,
    p_address_hour integer, p_prefix_hour integer, p_second integer, p_day integer, p_strict_divisor integer,
    OUT retry_in integer, OUT queued boolean
) LANGUAGE plpgsql AS $$
DECLARE
    v_last    users.challenges;
    v_divisor integer := 1;
    v_wait    integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('users.phone:' || p_phone, 0));
    SELECT * INTO v_last FROM users.challenges c
    WHERE c.phone = p_phone AND c.purpose = p_purpose ORDER BY c.created_at DESC LIMIT 1;
    -- A code that was used proves that its owner got it, so the next one need not wait.
    IF v_last.claimed_at IS NULL AND v_last.created_at > clock_timestamp() - make_interval(secs => p_cooldown) THEN
        retry_in := least(p_cooldown, greatest(1, ceil(
            extract(epoch FROM v_last.created_at + make_interval(secs => p_cooldown) - clock_timestamp()))::integer));
        queued := false;
        RETURN;
    END IF;

    PERFORM users.check_sends(p_phone, NULL, '1 hour', p_phone_hour);
    PERFORM users.check_sends(p_phone, NULL, '1 day', p_phone_day);
    IF p_device IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('users.device:' || p_device, 0));
        PERFORM users.check_sends(NULL, p_device, '1 hour', p_device_hour);
    END IF;

    UPDATE users.challenges SET live = false WHERE phone = p_phone AND purpose = p_purpose AND live;
    IF FOUND THEN
        DELETE FROM users.code_messages WHERE challenge_id = v_last.id;
    END IF;
    INSERT INTO users.challenges (id, phone, purpose, code_hmac, device_id, expires_at)
    VALUES (p_id, p_phone, p_purpose, p_hmac, p_device, clock_timestamp() + make_interval(secs => p_lifetime));
    INSERT INTO users.code_messages (challenge_id, phone, sealed, expires_at)
    VALUES (p_id, p_phone, p_sealed, clock_timestamp() + make_interval(secs => p_lifetime));

    -- Shared counters last: their rows stay locked until the commit.
    SELECT CASE WHEN g.strict_until > clock_timestamp() THEN p_strict_divisor ELSE 1 END INTO v_divisor
    FROM users.code_guard g;
    v_wait := users.count_send('address', p_address, 3600, greatest(1, p_address_hour / v_divisor));
    IF v_wait > 0 THEN PERFORM users.refuse_send('address', v_wait); END IF;
    v_wait := users.count_send('prefix', p_prefix, 3600, greatest(1, p_prefix_hour / v_divisor));
    IF v_wait > 0 THEN PERFORM users.refuse_send('prefix', v_wait); END IF;
    v_wait := users.count_send('day', '', 86400, p_day);
    IF v_wait > 0 THEN PERFORM users.refuse_send('day', v_wait); END IF;
    v_wait := users.count_send('second', '', 1, greatest(1, p_second / v_divisor));
    IF v_wait > 0 THEN PERFORM users.refuse_send('second', v_wait); END IF;
    retry_in := p_cooldown;
    queued := true;
END $$;

-- Use a code: one attempt is taken, then the code is compared, then it is claimed, all under the challenge's row lock. The
-- first use makes the account. Answers OK with the account, INVALID or EXPIRED; a refusal is an answer, not an error,
-- because the attempt that it took must stay taken. Locks, in this order: the phone, the challenge, sessions that end. The
-- phone's keeps role and activity of the account as they are read (users.hold_sessions); the account itself is not locked.
CREATE FUNCTION users.verify_code(
    p_phone text, p_purpose text, p_hmac bytea, p_max_attempts integer, p_failures_hour integer, p_failures_day integer,
    p_new_user uuid, p_session uuid, p_token_hash bytea, p_salt bytea, p_device text, p_device_name text, p_device_type text,
    p_address text, p_user_agent text, p_idle_days integer, p_absolute_days integer, p_max_sessions integer,
    p_event_id uuid, p_correlation_id text,
    OUT outcome text, OUT is_new boolean, OUT id uuid, OUT phone text, OUT name text, OUT email text,
    OUT profile_image_url text, OUT role text, OUT is_verified boolean, OUT created_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_challenge users.challenges;
    v_hour      integer;
    v_day       integer;
    v_active    boolean;
    v_session   uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('users.phone:' || p_phone, 0));
    SELECT * INTO v_challenge FROM users.challenges c
    WHERE c.phone = p_phone AND c.purpose = p_purpose AND c.live FOR UPDATE;
    IF v_challenge.id IS NULL OR v_challenge.attempts >= p_max_attempts OR v_challenge.expires_at <= clock_timestamp() THEN
        outcome := 'EXPIRED';
        RETURN;
    END IF;

    -- A failure is counted until the end of its code is that old: at most one code's life longer than needed, never shorter.
    SELECT coalesce(sum(c.attempts - (c.claimed_at IS NOT NULL)::integer)
                    FILTER (WHERE c.expires_at > clock_timestamp() - interval '1 hour'), 0),
           coalesce(sum(c.attempts - (c.claimed_at IS NOT NULL)::integer), 0)
    INTO v_hour, v_day FROM users.challenges c
    WHERE c.phone = p_phone AND c.created_at > clock_timestamp() - interval '25 hours'
      AND c.expires_at > clock_timestamp() - interval '1 day';
    outcome := 'INVALID';
    IF v_hour >= p_failures_hour OR v_day >= p_failures_day OR v_challenge.code_hmac <> p_hmac THEN
        UPDATE users.challenges c SET attempts = c.attempts + 1 WHERE c.id = v_challenge.id;
        RETURN;
    END IF;
    UPDATE users.challenges c SET attempts = c.attempts + 1, live = false, claimed_at = clock_timestamp()
    WHERE c.id = v_challenge.id;

    is_new := false;
    SELECT a.id, a.phone, a.name, a.email, a.profile_image_url, a.role, a.is_verified, a.created_at, a.is_active
    INTO id, phone, name, email, profile_image_url, role, is_verified, created_at, v_active
    FROM users.accounts a WHERE a.phone = p_phone;
    IF NOT FOUND THEN
        -- No twin can be here: accounts are made only while their phone is locked.
        INSERT INTO users.accounts AS a (id, phone) VALUES (p_new_user, p_phone)
        RETURNING a.id, a.phone, a.role, a.is_verified, a.created_at INTO id, phone, role, is_verified, created_at;
        is_new := true;
        v_active := true;
        PERFORM kernel.emit(p_event_id, 'user.created', 1, 'user', id::text,
            jsonb_build_object('userId', id, 'phoneNumber', phone,
                'createdAt', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
            jsonb_build_object('correlationId', p_correlation_id, 'userId', id, 'source', 'vurksha'));
    END IF;
    IF NOT v_active THEN
        RETURN;
    END IF;
    IF NOT is_new THEN
        FOR v_session IN
            SELECT s.id FROM (
                SELECT o.id FROM users.sessions o
                WHERE o.user_id = verify_code.id AND o.ended_at IS NULL AND o.expires_at > clock_timestamp()
                  AND o.rotated_at > clock_timestamp() - make_interval(days => p_idle_days)
                ORDER BY o.created_at DESC OFFSET p_max_sessions - 1
            ) s ORDER BY s.id
        LOOP
            PERFORM users.end_session(v_session, 'LIMIT');
        END LOOP;
    END IF;
    INSERT INTO users.sessions (id, user_id, salt, device_id, device_name, device_type, address, user_agent, expires_at)
    VALUES (p_session, id, p_salt, p_device, p_device_name, p_device_type, p_address, p_user_agent,
            now() + make_interval(days => p_absolute_days));
    INSERT INTO users.refresh_tokens (hash, session_id, generation) VALUES (p_token_hash, p_session, 0);
    outcome := 'OK';
END $$;
