"""One proof: a command that fails when its claim does not hold."""

import attrs


@attrs.frozen(kw_only=True)
class Proof:
    """A row of the table that `./ops/check --ops` prints.

    `command` is run from the project's root, with .venv/bin and then .venv/ops/bin first in PATH. It exits with 0 only
    when it showed the claim by running something real; the last line that it writes as `figures: ...` is shown.
    """

    artefact: str
    """What it is about, such as "image"."""
    claim: str
    """What is proved, in one line."""
    tool: str
    """With what: names and no versions."""
    command: tuple[str, ...]
    cannot: str = ""
    """What cannot be proved on a machine of this kind, in one line."""
    parsed: bool = False
    """Whether the tool only reads the artefact: the table then says "read", never "proved"."""
    needs: tuple[str, ...] = ()
    """Programs or files without which it cannot run, after `ops/tools` did what it can."""
    tools: tuple[str, ...] = ()
    """Groups that `ops/tools` installs for it, such as "alerting"."""
    seconds: int = 600
    """After which it has failed."""
