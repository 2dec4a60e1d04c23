-- phase: pre
-- Whether a session is still open, for functions and queries of others that only want to know. Locks nothing, so a logout
-- that is not yet committed is not seen: who writes on behalf of the session asks users.require_session instead.

CREATE FUNCTION users.session_open(p_user uuid, p_session uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM users.sessions s JOIN users.accounts a ON a.id = s.user_id
        WHERE s.id = p_session AND s.user_id = p_user AND s.ended_at IS NULL AND s.expires_at > clock_timestamp() AND a.is_active
    );
END $$;
