"""The program `vurksha`: the kernel's commands and those that plugins bring."""

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import attrs
import click
import orjson

from core import configuration
from core.agreement_commands import migrated, replicas_command
from core.app import App, assembled, plugin_sections
from core.backup.commands import backup_command, restore_command
from core.commands.audit import audit_command
from core.commands.dlq import dlq_command
from core.commands.keys import keys_command
from core.commands.outbox import outbox_command
from core.commands.routes import in_order, who
from core.console.command import console_command
from core.errors import Problem
from core.isolation.migrations import surviving
from core.kernel import Kernel
from core.plugin_commands import add_commands, plugins_command
from core.plugin_finding import Found, PluginError, installed, search
from core.privacy.commands import privacy_command
from core.scaffold.command import new_plugin_command
from core.serve import replica
from core.serve import run as run_loop
from core.servers import serving_on, with_servers, with_urls
from core.settings import KERNEL_SECTIONS, BadSettings, Secret, Settings
from core.sockets import CannotListen
from core.store import migrate as migrations
from core.store.embedded import Embedded
from core.store.embedded_process import EmbeddedError
from core.supervisor import supervise

EXPECTED = (BadSettings, PluginError, EmbeddedError, CannotListen, migrations.MigrationError, Problem)
"""Failures that a person can mend: told in their own words."""
UNKNOWN = Secret("postgresql:///not-known-yet")
"""Stands in for a URL where a command needs none: printing routes opens no connection."""


def load() -> tuple[Settings, Found]:
    """Settings and plugins, from files and the environment."""
    source = configuration.read(os.environ, root=os.geteuid() == 0)
    found = search(source.plugins, source.required)
    return configuration.build(source, plugin_sections(found.classes), absent=installed().keys()), found


def offline_app() -> App:
    """An app that is only looked at."""
    settings, found = load()
    return assembled(with_urls(settings, UNKNOWN, Secret("redis://not-known-yet")), found)


def run(kernel: Kernel, work: Callable[[], Awaitable[None]]) -> None:
    """Run a plugin's command with the database open. In development the embedded server is started or found.

    Redis stays closed: services go on without it, as they must.
    """

    async def main() -> int:
        embedded = Embedded()
        try:
            if kernel.settings.postgres.url is UNKNOWN:
                kernel.db.pool.dsn = (await embedded.start(kernel.data_dir)).database_url
            await kernel.db.pool.open()
            try:
                await work()
            finally:
                await kernel.db.pool.close()
        finally:
            await embedded.stop()
        return 0

    run_loop(main())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def program() -> None:
    """Vurksha's backend. Every command has --help with an example."""


@program.command(epilog="Example: vurksha serve --replicas 2")
@click.option("--replicas", default=1, show_default=True, help="Processes that share the port.")
@click.option("--reload", is_flag=True, help="Start again whenever a file of a plugin is saved: for development.")
def serve(replicas: int, *, reload: bool) -> None:
    """Serve the app.

    In development this starts PostgreSQL and Redis where no URL is given, migrates and seeds.
    """
    settings, found = load()
    if reload:
        sys.exit(run_loop(_reloading(settings, list(found.classes))))
    if replicas > 1:
        sys.exit(run_loop(supervise(settings, replicas)))

    async def main() -> int:
        async with serving_on(settings) as ready:
            return await replica(lambda: assembled(ready, found), ready, prepare=settings.development, told=_tell)

    sys.exit(run_loop(main()))


def _reloading(settings: Settings, classes: list[type]) -> Coroutine[Any, Any, int]:
    from core.reload import Watched, folders, reloading  # noqa: PLC0415  no replica that serves needs it

    if not settings.development:
        raise click.ClickException("--reload is for development; this is production")
    return reloading(settings, Watched(folders(classes)))


def _tell(app: App) -> None:
    """Where to look, for a person who just started it."""
    if not app.settings.development:
        return
    http = app.settings.http
    base = f"http://{http.host}:{http.port}"
    click.echo(
        f"\n  Vurksha is ready.\n\n"
        f"    API      {base}/api/v1/products\n"
        f"    Docs     {base}/docs\n"
        f"    Health   {base}/health\n"
        f"    A login code:  .venv/bin/vurksha otp 9876543210   (after asking for one)\n"
        f"    The journey:   .venv/bin/vurksha demo --url {base}\n"
        f"    Status   {app.operations.address}/   (token: OPERATIONS_TOKEN, or in secrets.json of the data)\n"
        f"    Data     {app.settings.data_dir}   (other terminals: export DATA_DIR={app.settings.data_dir})\n",
        err=True,
    )


@program.command(epilog="Example: DATABASE_URL=postgresql://... vurksha migrate")
@click.option("--plan", "--dry-run", "only_plan", is_flag=True, help="Only say what would be applied.")
@click.option("--post", is_flag=True, help="Also take away what only older code needs: when none of it runs any more.")
@click.option("--force", is_flag=True, help="Do not look whether a replica runs that needs what is taken away.")
@click.option("--expand", is_flag=True, help="Refuse whatever the release before could not run on.")
def migrate(**options: bool) -> None:
    """Bring the database's schema up to date. Before new code is rolled out; with --post after it."""

    async def main() -> int:
        settings, found = load()
        embedded = Embedded()
        try:
            app = assembled(await with_servers(settings, embedded), found)
            await migrated(app, **options)
        finally:
            await embedded.stop()
        return 0

    sys.exit(run_loop(main()))


@program.command(epilog="Example: vurksha seed")
def seed() -> None:
    """Write the demo shop; doing it twice changes nothing. Production has its own shop and refuses."""
    app = offline_app()
    if not app.settings.development:
        raise click.ClickException("the demo shop is for development; this is production")

    async def work() -> None:
        await migrations.apply(app.db.pool.dsn, app.migrations, failed=surviving(app.kernel.guards))
        for one in app.plugins.declared("seeds"):
            click.echo(await one())

    run(app.kernel, work)


@program.command(epilog="Example: vurksha routes | grep ADMIN")
def routes() -> None:
    """List the routes with their policy."""
    for route in in_order(offline_app().routes):
        click.echo(f"{route.method:7} /api/v1{route.path:45} {who(route):8} {route.repeat.value:8} {route.summary}")


@program.command("openapi", epilog="Example: vurksha openapi > openapi.json")
def openapi_document() -> None:
    """Print the OpenAPI document."""
    click.echo(orjson.dumps(offline_app().document(), option=orjson.OPT_INDENT_2).decode())


@program.command("check-config", epilog="Example: vurksha check-config")
def check_config() -> None:
    """Check the settings and say where each stands; secrets are not shown."""
    settings, _ = load()
    for name in (*KERNEL_SECTIONS, *settings.sections):
        section: Any = settings.sections.get(name) or getattr(settings, name)
        for field in attrs.fields(type(section)):
            click.echo(f"{name}.{field.name} = {getattr(section, field.name)!r}")
    click.echo(f"all good: {settings.environment}, data in {settings.data_dir}")


def _on_app(work: Callable[[App], Awaitable[None]]) -> None:
    """Run an operator's command on a database whose schema is this code's."""
    app = offline_app()

    async def checked() -> None:
        needed = [one for one in app.migrations if one.owner not in app.kernel.guards.optional]
        if lacking := await migrations.behind(app.db.pool.dsn, needed):
            raise migrations.MigrationError(f"the database lacks {lacking[0]}: run `vurksha migrate`")
        await work(app)

    run(app.kernel, checked)


def _on_kernel(work: Callable[[Kernel], Awaitable[None]]) -> None:
    _on_app(lambda app: work(app.kernel))


program.add_command(new_plugin_command)
for made in (audit_command, keys_command, privacy_command, replicas_command):
    program.add_command(made(_on_kernel))
for on_app in (outbox_command, dlq_command):
    program.add_command(on_app(_on_app))
program.add_command(plugins_command(offline_app, run, _on_app))
program.add_command(backup_command(_on_kernel, lambda: load()[0]))
program.add_command(restore_command(lambda: load()[0]))
program.add_command(console_command(lambda: load()[0]))


def main() -> None:
    """The console script: plugins' commands are added first, so that `--help` shows them."""
    try:
        if len(sys.argv) < 2 or sys.argv[1] not in program.commands:  # noqa: PLR2004  ours need no plugin to be found
            add_commands(program, offline_app().plugins)
        program()
    except EXPECTED as error:
        click.echo(f"vurksha: {error}", err=True)
        sys.exit(1)
    except migrations.UNREACHABLE as error:
        about = "" if getattr(error, "filename", None) else "the database is not reachable: "
        text = str(error).partition("\n")[0] or "no answer in time"
        click.echo(f"vurksha: {about}{text}", err=True)
        sys.exit(1)
