"""Sessions, codes and secrets; whose data somebody saw; and which answers may be given at all."""

import re
from collections import Counter
from uuid import UUID

from tests.faults.never.rules import Evidence, query, rule

query(
    "code-late",
    "a code is used within its life and its attempts, and never the one before",
    """
    SELECT 'challenge ' || id || ' was used ' || (claimed_at - expires_at) || ' late' FROM users.challenges
    WHERE claimed_at > expires_at
    UNION ALL SELECT 'challenge ' || id || ' had ' || attempts || ' attempts' FROM users.challenges WHERE attempts > 3
    UNION ALL SELECT phone_prefix || ' has ' || live || ' live codes' FROM (
        SELECT left(phone, 6) AS phone_prefix, count(*) AS live FROM users.challenges WHERE live GROUP BY phone, purpose
    ) c WHERE live > 1
    """,
)
query(
    "session-without-code",
    "each session began with a code of its own",
    """
    SELECT a.id || ' has ' || s.sessions || ' sessions of ' || c.codes || ' used codes'
    FROM users.accounts a
    JOIN (SELECT user_id, count(*) AS sessions FROM users.sessions GROUP BY user_id) s ON s.user_id = a.id
    JOIN LATERAL (SELECT count(*) AS codes FROM users.challenges c
                  WHERE c.phone = a.phone AND c.claimed_at IS NOT NULL) c ON true
    WHERE s.sessions > c.codes
    """,
)
query(
    "family",
    "a session has one refresh token per generation and none beyond its own",
    """
    SELECT 'session ' || s.id || ' is at ' || s.generation || ' and has generations up to ' || max(t.generation)
    FROM users.sessions s JOIN users.refresh_tokens t ON t.session_id = s.id GROUP BY s.id
    HAVING max(t.generation) > s.generation OR count(*) > count(DISTINCT t.generation)
    """,
)
query(
    "reuse-alarm",
    "the app's own repeats end no session",
    "SELECT 'session ' || id || ' was ended for reuse' FROM users.sessions WHERE end_reason = 'REUSE'",
)


# By challenges_phone.
LATE = """
SELECT 'a text went to ' || left(t.phone, 5) || ' at ' || t.at || ', when no code of that phone lived'
FROM unnest($1::text[], $2::float8[]) AS r(phone, epoch), LATERAL (SELECT r.phone, to_timestamp(r.epoch) AS at) t
WHERE EXISTS (SELECT FROM users.challenges c WHERE c.phone = t.phone)
    AND NOT EXISTS (SELECT FROM users.challenges c
                    WHERE c.phone = t.phone AND c.created_at <= t.at AND c.expires_at >= t.at - interval '1 s')
"""


@rule("text-late", "a code that has ended is dropped, never sent late")
async def text_late(evidence: Evidence) -> list[str]:
    phones, times = [text["to"] for text in evidence.texts], [text["at"] for text in evidence.texts]
    return [str(row[0]) for row in await evidence.db.fetch(LATE, phones, times)]


@rule("code-twice", "a used code is refused")
async def code_twice(evidence: Evidence) -> list[str]:
    return evidence.wrong("code-twice")


@rule("dead-token", "a token is refused after its bound")
async def dead_token(evidence: Evidence) -> list[str]:
    return evidence.wrong("token", *(() if evidence.blind else ("token-read",)))


@rule("401", "an outage never ends a live session")
async def unauthorised(evidence: Evidence) -> list[str]:
    return evidence.wrong("401")


# By the primary keys.
OWNERS = """
SELECT id::text, user_id::text FROM orders.orders WHERE id = ANY($1::uuid[])
UNION ALL SELECT id::text, user_id::text FROM notifications.entries WHERE id = ANY($1::uuid[])
"""


@rule("others-data", "nobody reads what is another's")
async def others_data(evidence: Evidence) -> list[str]:
    seen = {(one, record["user"]) for record in evidence.of("saw") for one in record["ids"]}
    owners = dict(await evidence.db.fetch(OWNERS, [UUID(one) for one, _ in seen]))
    found = [f"{user} saw {one}, which is {owners[one]}'s" for one, user in seen if owners.get(one, user) != user]
    return found + evidence.wrong("others")


@rule("5xx", "no answer is a 5xx but 503 SYS_002 with Retry-After: 1 and 504 SYS_003")
async def server_errors(evidence: Evidence) -> list[str]:
    bad = Counter(
        (r["what"].split("/")[1], r["status"], r.get("code", "")) for r in evidence.of("try") if r["out"] == "5xx"
    )
    return [f"{times} times {status} {code} from /{what}" for (what, status, code), times in bad.items()]


STREET = "Orchard Road"
WORDS = re.compile(r"[\w.~+-]{6,}")


@rule("secrets-in-logs", "no code, token, address or full phone number is in a log or a dead letter")
async def secrets_in_logs(evidence: Evidence) -> list[str]:
    """Codes are six digits that stand in many a number, so they are sought as words; the rest anywhere."""
    secrets = {str(value) for record in evidence.of("secret") for value in record["values"]}
    long = {value for value in secrets if len(value) > 6}
    codes = {value for value in secrets if len(value) == 6}
    found: list[str] = []
    for log in evidence.logs:
        for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
            words = set(WORDS.findall(line))
            if (
                STREET in line
                or words & long
                or any(f'"{code}"' in line or f" {code} " in line for code in codes & words)
            ):
                found.append(f"{log.name}:{number} tells a secret")
            elif any(word[-10:] in long or word[3:] in long for word in words if len(word) in (12, 13)):
                found.append(f"{log.name}:{number} tells a phone number")
    return found
