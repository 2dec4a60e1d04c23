-- phase: pre
-- A sign-in whose answer was lost on the way: the app sends the same code again and gets the same session, not another.

ALTER TABLE users.challenges ADD COLUMN session_id uuid, ADD COLUMN repeats smallint NOT NULL DEFAULT 0;

-- As in 0004, but that the challenge remembers its session.
CREATE OR REPLACE FUNCTION users.verify_code(
    p_phone text, p_purpose text, p_hmac bytea, p_max_attempts integer, p_failures_hour integer, p_failures_day integer,
    p_new_user uuid, p_session uuid, p_token_hash bytea, p_salt bytea, p_device text, p_device_name text, p_device_type text,
    p_address text, p_user_agent text, p_idle_days integer, p_absolute_days integer, p_max_sessions integer,
    p_event_id uuid, p_correlation_id text,
    OUT outcome text, OUT is_new boolean, OUT id uuid, OUT phone text, OUT name text, OUT email text,
    OUT profile_image_url text, OUT role text, OUT is_verified boolean, OUT created_at timestamptz, OUT is_restored boolean
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
    UPDATE users.challenges c
    SET attempts = c.attempts + 1, live = false, claimed_at = clock_timestamp(), session_id = p_session
    WHERE c.id = v_challenge.id;

    is_new := false;
    is_restored := false;
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
        IF NOT users.reopen(id, p_event_id, p_correlation_id) THEN
            RETURN;
        END IF;
        is_restored := true;
        SELECT a.email INTO email FROM users.accounts a WHERE a.id = verify_code.id;
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

-- The session of a code that was used within the last `p_grace` seconds, for whoever sends that code again from the device
-- that used it (or, naming none, from the address and program that used it), while its first refresh token is unused. Three tries, right or wrong, then none. Answers no row to all others.
CREATE FUNCTION users.repeat_sign_in(
    p_phone text, p_purpose text, p_hmac bytea, p_device text, p_address text, p_user_agent text, p_grace integer,
    OUT session_id uuid, OUT salt bytea, OUT token_hash bytea, OUT is_new boolean, OUT id uuid, OUT phone text, OUT name text,
    OUT email text, OUT profile_image_url text, OUT role text, OUT is_verified boolean, OUT created_at timestamptz
) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    v_challenge users.challenges;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('users.phone:' || p_phone, 0));
    SELECT * INTO v_challenge FROM users.challenges c
    WHERE c.phone = p_phone AND c.purpose = p_purpose AND c.created_at > clock_timestamp() - interval '1 hour'
    ORDER BY c.created_at DESC LIMIT 1;
    IF v_challenge.claimed_at IS NULL OR v_challenge.claimed_at <= clock_timestamp() - make_interval(secs => p_grace)
       OR v_challenge.repeats >= 3 THEN
        RETURN;
    END IF;
    UPDATE users.challenges c SET repeats = c.repeats + 1,
        attempts = c.attempts + (c.code_hmac <> p_hmac)::integer -- a wrong one is a failure of the phone like any other
    WHERE c.id = v_challenge.id;
    IF v_challenge.code_hmac <> p_hmac THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT s.id, s.salt, t.hash,
           NOT EXISTS (SELECT FROM users.sessions o WHERE o.user_id = a.id AND o.created_at < s.created_at),
           a.id, a.phone, a.name, a.email, a.profile_image_url, a.role, a.is_verified, a.created_at
    FROM users.sessions s
    JOIN users.accounts a ON a.id = s.user_id
    JOIN users.refresh_tokens t ON t.session_id = s.id
    WHERE s.id = v_challenge.session_id AND s.device_id IS NOT DISTINCT FROM p_device
      AND (p_device IS NOT NULL OR (s.address = p_address AND s.user_agent = p_user_agent))
      AND s.generation = 0 AND s.ended_at IS NULL AND a.is_active;
END $$;
