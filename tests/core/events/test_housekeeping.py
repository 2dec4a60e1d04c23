import pytest

from core.events import housekeeping as module
from core.events.housekeeping import housekeeping
from core.jobs import Jobs
from core.store.db import Db
from core.tasks import Tasks
from core.types import uuid7


async def test_old_rows_go_in_batches_and_what_is_still_needed_stays(
    kernel_db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kernel_db.transaction() as tx:
        for age, published in (("8 days", True), ("6 days", True), ("8 days", False)):
            await tx.execute(
                """INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload,
                       metadata, published_at)
                   SELECT gen_random_uuid(), 't', 1, 'a', n::text, '{}', '{}',
                       CASE WHEN $2 THEN now() - $1::text::interval END
                   FROM generate_series(1, 3) n""",
                age,
                published,
            )
        for age, state in (("31 days", "done"), ("29 days", "done"), ("31 days", "dead"), ("31 days", "waiting")):
            await tx.execute(
                """INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id,
                       payload, metadata, occurred_at, state, finished_at)
                   SELECT 'c', gen_random_uuid(), n, 't', 1, 'a', 'x', '{}', '{}', now(), $2, now() - $1::text::interval
                   FROM generate_series(1, 3) n""",
                age,
                state,
            )
        for age, state in (("31 days", "replayed"), ("29 days", "discarded"), ("31 days", "dead")):
            await tx.execute(
                """INSERT INTO kernel.dead_letters (consumer, reason, body, size, headers, fingerprint, state,
                       finished_at)
                   SELECT 'c', 'r', '', 0, '{}', decode(md5($2 || n), 'hex'), $2, now() - $1::text::interval
                   FROM generate_series(1, 3) n""",
                age,
                state,
            )
        for age in ("49 hours", "47 hours"):
            await tx.execute(
                """INSERT INTO kernel.operations (user_id, route, key, fingerprint, created_at)
                   SELECT $1, 'r', gen_random_uuid()::text, '', now() - $2::text::interval
                   FROM generate_series(1, 3)""",
                uuid7(),
                age,
            )
    monkeypatch.setattr(module, "BATCH", 2)
    jobs = Jobs(kernel_db, Tasks(), housekeeping(kernel_db))
    for job in jobs.jobs:
        assert job.single
        await jobs.run(job)
    assert sum(jobs.runs.values()) == 4
    assert await kernel_db.fetchval("SELECT count(*) FROM kernel.outbox") == 6
    assert await kernel_db.fetchval("SELECT count(*) FROM kernel.inbox") == 9
    assert await kernel_db.fetchval("SELECT count(*) FROM kernel.dead_letters") == 6
    assert await kernel_db.fetchval("SELECT count(*) FROM kernel.operations") == 3
