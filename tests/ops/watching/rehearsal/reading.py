"""The runbooks' steps that change nothing, taken in a world that runs."""

import re
import shlex

import asyncpg

from tests.faults.processes import NotRunning
from tests.ops.watching.pages import HOLDERS, commands, lines
from tests.ops.watching.rehearsal.scene import Scene

ELSEWHERE = {"demo", "migrate"}
"""Leads to a shop outside; changes the schema. `migrate --plan` only looks."""


def harmless(words: list[str]) -> bool:
    """Whether it only looks, and needs no trouble that is not there now."""
    if {"--yes", "show", "enable", HOLDERS["ID"]} & set(words):
        return False
    return words[0] not in ELSEWHERE or "--plan" in words


async def taken(scene: Scene) -> tuple[int, list[str]]:
    """How many steps were taken, and what failed."""
    wrong: list[str] = []
    chosen = [words for words in commands() if harmless(words)]
    for words in chosen:
        try:
            await scene.world.run(*words)
        except NotRunning as failure:
            wrong.append(f"runbook: {failure}")
    statements = {shlex.split(line)[-1] for _, line in lines("bash") if line.startswith("psql")}
    looking = [one for one in statements if not re.search("terminate", one)]
    db = await asyncpg.connect(scene.shop())
    try:
        for statement in looking:
            try:
                await db.fetch(statement)
            except asyncpg.PostgresError as failure:
                wrong.append(f"runbook: {statement}: {failure}")
    finally:
        await db.close()
    questions = {line for _, line in lines("promql")}
    for question in questions:
        await scene.watch.asked(question)
    return len(chosen) + len(looking) + len(questions), wrong
