"""What a replica runs, and whether it may serve beside those that already do (RELIABILITY 4.10, ADR 16)."""

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import attrs
import orjson

from core.kernel import Manifest
from core.settings import Secret, Settings
from core.store.schema import Migration

DIGEST, SHORT = 16, 6
"""Hexadecimal digits: of a section's digest, and of what people compare by eye."""
EMPTY: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Code:
    """What one replica runs. Replicas of one version and release must run the same."""

    version: str = ""
    release: str = ""
    """The setting `deploy.release`."""
    plugins: Mapping[str, str] = EMPTY
    """Versions by name."""
    migrations: Mapping[str, int] = EMPTY
    """The highest number that the code has, by owner."""
    settings: Mapping[str, str] = EMPTY
    """A digest of each section that must be the same on every replica."""

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "Code":
        """From JSON, which another version of this class may have written."""
        return cls(**{field.name: row.get(field.name, field.default) for field in attrs.fields(cls)})

    @property
    def name(self) -> str:
        """Of its release, for people."""
        return f"{self.version} {self.release}".rstrip()

    @property
    def digest(self) -> str:
        """Of everything, short: those who show the same run the same."""
        return _digest(self)[:SHORT]

    def differences(self, other: "Code") -> str:
        """In what the two are not alike, for people; empty if they are."""
        found = []
        for what in ("plugins", "migrations", "settings"):
            mine, theirs = getattr(self, what), getattr(other, what)
            unlike = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
            found += [f"{what} ({', '.join(unlike)})"] if unlike else []
        return ", ".join(found)


@attrs.frozen(kw_only=True)
class Peer:
    """A living replica, as its row says."""

    id: UUID
    host: str
    pid: int
    code: Code
    ready: bool
    started: float
    """Seconds since 1970, by the database's clock."""


def code_of(settings: Settings, manifests: Iterable[Manifest], migrations: Iterable[Migration], version: str) -> Code:
    """What this process runs.

    Of the kernel's settings only those count that give meaning to what is stored or signed: addresses, sizes, rates and
    times may differ from machine to machine. Plugins' sections count as a whole.
    """
    heads: dict[str, int] = {}
    for migration in migrations:
        heads[migration.owner] = max(heads.get(migration.owner, 0), migration.version)
    prefixes = [settings.redis.prefix, settings.rabbitmq.prefix]
    sections = {**settings.sections, "auth": settings.auth, "prefixes": prefixes}
    return Code(
        version=version,
        release=settings.deploy.release,
        plugins={manifest.name: manifest.version for manifest in manifests},
        migrations=heads,
        settings={name: _digest(section) for name, section in sections.items()},
    )


def _digest(section: Any) -> str:
    plain = attrs.asdict(section, recurse=False) if attrs.has(type(section)) else section
    return hashlib.sha256(orjson.dumps(plain, default=_revealed, option=orjson.OPT_SORT_KEYS)).hexdigest()[:DIGEST]


def _revealed(value: object) -> str:
    """A secret counts too: replicas with different ones refuse each other's tokens and codes."""
    return value.reveal() if isinstance(value, Secret) else str(value)


def disagreement(me: Peer, others: Iterable[Peer]) -> str:
    """Why this replica must not serve beside the living ones; empty if it may.

    Of its own version and release it must be like those that serve; before any does, like most of those that start, and
    on a tie like the one that started first. Others belong to another release: a rolling deploy, judged by the schema.
    """
    release = (me.code.version, me.code.release)
    same = [peer for peer in others if (peer.code.version, peer.code.release) == release]
    serving = [peer for peer in same if peer.ready]
    votes = [peer.code for peer in sorted(serving or [*same, me], key=lambda peer: (peer.started, peer.id))]
    norm = max(votes, key=votes.count)  # the first of the most frequent
    unlike = me.code.differences(norm)
    return f"unlike {votes.count(norm)} of release {norm.name} in {unlike}" if unlike else ""


def unaware(peers: Iterable[Peer], migrations: Iterable[Migration]) -> str:
    """A living replica whose code cannot run on what these migrations leave, as a line for people; empty if all can."""
    for peer in peers:
        for migration in migrations:
            if migration.phase == "post" and peer.code.migrations.get(migration.owner, 0) < migration.version:
                return f"{peer.host} ({peer.pid}) serves release {peer.code.name}, which does not know {migration}"
    return ""
