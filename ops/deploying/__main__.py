"""`ops/deploy`: blue-green deploys. Each command says what it does and can be run again after it was killed."""

import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import click

from ops.deploying.customer import TestCustomer
from ops.deploying.kubernetes import KubernetesPlace, KubernetesTarget
from ops.deploying.local import LocalTarget
from ops.deploying.model import DeployError, Release
from ops.deploying.rollout import Deploy
from ops.deploying.settings import DeployFile, read
from ops.deploying.smoke import smoke
from ops.deploying.target import Busy, Target

OVER = 2
"""Exit code of a release that must not have traffic; 1 is for what a person can mend and try again."""


@attrs.frozen
class Run:
    """The file and what it leads to."""

    file: DeployFile

    def target(self) -> Target:
        """Where to."""
        if self.file.local is not None:
            return LocalTarget(self.file.local)
        return KubernetesTarget(self.file.kubernetes or KubernetesPlace())

    def deploy(self) -> Deploy:
        """As the last run left it."""
        file, target = self.file, self.target()
        return Deploy(target, file.watch, smoke(file.smoke), click.echo, file.start_seconds)

    def held(self, work: Callable[[Deploy], object]) -> None:
        """Do it while nobody else deploys."""
        with self.target().book.held():
            work(self.deploy())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--file", type=click.Path(path_type=Path), envvar="DEPLOY_FILE", default=Path("ops/k8s/deploy.toml"),
              show_default=True, help="What is deployed where: TOML.")  # fmt: skip
@click.pass_context
def program(context: click.Context, file: Path) -> None:
    """Bring a new release beside the one that runs, try it, and move the customers over; or back."""
    context.obj = Run(read(file))


artefact = click.argument("artefact")
named = click.option("--release", default="", help="Its name among replicas; otherwise taken from ARTEFACT.")


def _release(run: Run, artefact: str, name: str) -> Release:
    """An image's tag or a folder's name, where no name is given."""
    if run.file.local is not None:
        path = Path(artefact).resolve()
        return Release(artefact=str(path), name=name or path.name)
    return Release(artefact=artefact, name=name or artefact.rpartition(":")[2].rpartition("/")[2])


@program.command(epilog="Example: ops/deploy plan registry.example/vurksha:1.4.0")
@artefact
@named
@click.pass_obj
def plan(run: Run, artefact: str, release: str) -> None:
    """Say what a deploy of ARTEFACT would do. Changes nothing."""
    for line in run.deploy().plan(_release(run, artefact, release)):
        click.echo(line)


@program.command(epilog="Example: ops/deploy apply registry.example/vurksha:1.4.0")
@artefact
@named
@click.pass_obj
def apply(run: Run, artefact: str, release: str) -> None:
    """Migrate (expand only), start the idle colour with ARTEFACT, wait until it is ready, smoke it. No traffic yet."""
    run.held(lambda deploy: deploy.apply(_release(run, artefact, release)))


@program.command("smoke", epilog="Example: ops/deploy smoke")
@click.option("--color", default="", help="Which; otherwise the new one, or the one with the traffic.")
@click.pass_obj
def smoke_command(run: Run, color: str) -> None:
    """Ask a colour as a customer would."""
    run.held(lambda deploy: deploy.smoke_now(color))


@program.command(epilog="Example: ops/deploy switch --share 5 --share 50")
@click.option(
    "--share", "shares", multiple=True, type=click.IntRange(1, 100), help="Per cent, one after the other; 100 ends it."
)
@click.pass_obj
def switch(run: Run, shares: tuple[int, ...]) -> None:
    """Move the traffic to the new colour and watch; goes back by itself when customers get worse answers."""
    run.held(lambda deploy: deploy.switch(shares))


@program.command(epilog="Example: ops/deploy rollback")
@click.pass_obj
def rollback(run: Run) -> None:
    """All traffic to the colour before, started again if need be; the new one is stopped."""
    run.held(lambda deploy: deploy.rollback())


@program.command(epilog="Example: ops/deploy retire")
@click.pass_obj
def retire(run: Run) -> None:
    """Stop the colour before, once the new one has proved itself."""
    run.held(lambda deploy: deploy.retire())


@program.command(epilog="Example: ops/deploy status")
@click.pass_obj
def status(run: Run) -> None:
    """Say who has the traffic, what is under way, and what was done last."""
    target = run.target()
    state = target.book.load()
    for color, release in sorted(state.releases.items()):
        standing = target.standing(color)
        click.echo(f"{color:6} {release.name}: {standing.ready} of {standing.wanted} ready"
                   f"{', live' if color == state.live else ''}")  # fmt: skip
    if state.rollout is not None:
        one = state.rollout
        click.echo(
            f"{one.release.name} to {one.color}: {one.outcome or f'under way, {one.share} %'} {one.why}".rstrip()
        )
    for line in state.log[-20:]:
        click.echo(f"  {line}")


@program.command("sign-in", epilog="Example: ops/deploy sign-in 9876543210 --url https://api.shop.example")
@click.argument("phone")
@click.option("--url", required=True, help="The shop.")
@click.option("--code", default="", help="As sent; without it one is sent and asked for.")
@click.pass_obj
def sign_in(run: Run, phone: str, url: str, code: str) -> None:
    """Sign the test customer in, by a code to the shop's own PHONE. The smoke test renews that sign-in from then on."""
    if run.file.smoke.customer is None:
        raise DeployError("the file names no [smoke] customer")
    customer = TestCustomer(run.file.smoke.customer)
    if not code:
        customer.ask_for_code(url, phone)
        code = click.prompt("The code")
    customer.sign_in(url, phone, code)
    click.echo("signed in")


@program.command(epilog="Example: ops/deploy balancer --bind :8000 > /etc/haproxy/haproxy.cfg")
@click.option("--bind", default="127.0.0.1:8000", show_default=True)
@click.pass_obj
def balancer(run: Run, bind: str) -> None:
    """Print HAProxy's configuration for a [local] file."""
    target = run.target()
    if not isinstance(target, LocalTarget):
        raise DeployError("only for [local]")
    click.echo(target.balanced(bind), nl=False)


def main() -> None:
    """One line on what went wrong."""
    try:
        program(prog_name="ops/deploy")
    except (DeployError, Busy) as error:
        click.echo(f"ops/deploy: {error}", err=True)
        sys.exit(OVER if type(error).__name__ == "Refused" else 1)


if __name__ == "__main__":
    main()
