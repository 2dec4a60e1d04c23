"""What a plugin may declare. Hooks return declarations and do no I/O; the kernel runs what they declare.

Order of calls: `provides` of each plugin in dependency order, `extends` likewise; then, in no promised order, the rest.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from core.events.subscription import Subscription
    from core.extensions import Extends
    from core.http.health import HealthCheck
    from core.http.routing import Files, Route
    from core.jobs import Job
    from core.kernel import Kernel, Seed
    from core.observe.counts import Count
    from core.privacy.model import PersonalData
    from core.services import Provided

PROJECT = "vurksha"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def provides(kernel: "Kernel") -> "Sequence[Provided[Any]]":  # type: ignore[empty-body]  # a hook is its signature
    """Build the plugin's services and return those behind ports. Called once, before every other hook."""


@hookspec
def extends() -> "Sequence[Extends[Any]]":  # type: ignore[empty-body]  # a hook is its signature
    """What the plugin contributes to extension points of other domains, such as a price adjuster."""


@hookspec
def routes() -> "Sequence[Route | Files]":  # type: ignore[empty-body]  # a hook is its signature
    """The HTTP routes of the plugin."""


@hookspec
def migrations() -> "Path":  # type: ignore[empty-body]  # a hook is its signature
    """The folder that holds the plugin's numbered .sql files."""


@hookspec
def subscriptions() -> "Sequence[Subscription]":  # type: ignore[empty-body]  # a hook is its signature
    """The events that the plugin's consumers listen to."""


@hookspec
def jobs() -> "Sequence[Job]":  # type: ignore[empty-body]  # a hook is its signature
    """Periodic work, at the given interval, on every replica or on one at a time."""


@hookspec
def lifespan() -> "AbstractAsyncContextManager[None]":  # type: ignore[empty-body]  # a hook is its signature
    """Opens what the plugin needs while serving and closes it again. Entered after migrations were checked.

    An optional plugin's has a few seconds to begin (setting `isolation.start`). It is left while the plugin is put
    aside, and asked for anew when it comes back. What may be away for a while is waited for in a task, not here.
    """


@hookspec
def health_checks() -> "Sequence[HealthCheck]":  # type: ignore[empty-body]  # a hook is its signature
    """Checks whose outcome `/health` shows under the plugin's name."""


@hookspec
def metrics() -> "Sequence[Count]":  # type: ignore[empty-body]  # a hook is its signature
    """What the plugin counts for `/metrics`: facts that are committed. Each name begins with the plugin's and `_`."""


@hookspec
def commands() -> "Sequence[click.Command]":  # type: ignore[empty-body]  # a hook is its signature
    """Commands for the `vurksha` program, such as `vurksha otp`."""


@hookspec
def seeds() -> "Sequence[Seed]":  # type: ignore[empty-body]  # a hook is its signature
    """Demo data for `vurksha seed`: each function is idempotent and returns one line that says what it wrote."""


@hookspec
def personal_data() -> "PersonalData":  # type: ignore[empty-body]  # a hook is its signature
    """What the plugin holds of people: tables and what becomes of them, how to copy it for its owner and erase it."""
