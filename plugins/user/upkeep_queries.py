"""SQL that deletes what no rule looks at any more.

By now(), when the transaction began: no index can be asked about clock_timestamp(), which changes meanwhile.
"""

from typing import LiteralString

BATCH = 5000
"""Rows per statement, so that none comes near its time limit."""

# challenges_age. A day's failures and sends are counted from these rows; their messages go with them.
OLD_CHALLENGES = """
DELETE FROM users.challenges WHERE id IN (
    SELECT c.id FROM users.challenges c WHERE c.created_at < now() - interval '2 days' LIMIT $1)
"""

# The whole table: one row per address and number prefix of the last days.
OLD_COUNTERS = """
DELETE FROM users.code_counters WHERE (scope, subject) IN (
    SELECT c.scope, c.subject FROM users.code_counters c
    WHERE c.opened < extract(epoch FROM now() - interval '2 days') LIMIT $1)
"""

# sessions_rotated, refresh_tokens_session. Until its session goes every token is kept, however old: one that comes back
# ends its family. A session may have thousands, so they go before it, in batches of their own.
OLD_TOKENS = """
DELETE FROM users.refresh_tokens WHERE hash IN (
    SELECT t.hash FROM users.sessions s JOIN users.refresh_tokens t ON t.session_id = s.id
    WHERE s.rotated_at < now() - make_interval(days => $2) LIMIT $1)
"""

# sessions_rotated. Ended or not, a session that was not used for so many days is past its idle bound. It waits for
# nobody: whoever ends all sessions of an account locks them in another order.
OLD_SESSIONS = """
DELETE FROM users.sessions WHERE id IN (
    SELECT s.id FROM users.sessions s WHERE s.rotated_at < now() - make_interval(days => $2) LIMIT $1
    FOR UPDATE SKIP LOCKED)
"""

# revocations_at. The feed looks back for the life of an access token.
OLD_REVOCATIONS = """
DELETE FROM users.revocations WHERE seq IN (
    SELECT r.seq FROM users.revocations r WHERE r.at < now() - interval '1 day' LIMIT $1)
"""

OLD: tuple[LiteralString, ...] = (OLD_CHALLENGES, OLD_COUNTERS, OLD_REVOCATIONS)
UNUSED: tuple[LiteralString, ...] = (OLD_TOKENS, OLD_SESSIONS)
"""These also take the days after which a session that was not used may go."""
