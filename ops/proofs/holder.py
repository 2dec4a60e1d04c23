"""Who holds the loop."""

from ops.proofs.model import Proof

PROOFS = [
    Proof(
        artefact="usage",
        claim="a plugin that holds the loop is named with route and stack, and the sums are what the loop used",
        tool="the app on uvloop with a plugin that computes and sleeps",
        command=("python", "-m", "tests.rogues.naming"),
    ),
    Proof(
        artefact="usage",
        claim="to know who holds the loop costs less than 2 % of a cached read",
        tool="the app on uvloop under load, watch and sampler on and off in turn, at ten times their pace",
        command=("python", "-m", "tests.rogues.holding"),
        cannot="the share on a machine of one's own: other work on these processors makes single pairs differ by 10 %",
        seconds=900,
    ),
]
