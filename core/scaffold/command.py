"""`vurksha new-plugin`."""

from pathlib import Path

import click


@click.command("new-plugin", epilog="Example: vurksha new-plugin notes --path ..")
@click.argument("name")
@click.option(
    "--path", "parent", default=".", show_default=True, type=click.Path(file_okay=False, path_type=Path),
    help="Folder in which the package's own is made.",
)  # fmt: skip
def new_plugin_command(name: str, parent: Path) -> None:
    """Write a plugin that works, in a package of its own: a table, two routes, an event heard and one told, tests."""
    from core.scaffold.package import NoPackage, write  # noqa: PLC0415  no other command needs it

    try:
        folder = write(name, parent)
    except NoPackage as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"{folder} is written. Next:\n\n  cd {folder}\n  pip install -e '.[test]'\n  pytest\n  vurksha serve --reload"
    )
