"""The operators' console, driven as an operator does."""

from ops.proofs.model import Proof

PROOFS = [
    Proof(
        artefact="console",
        claim="each command is seen in a real terminal within 100 columns, on the whole shop as it is served",
        tool="tmux, vurksha console",
        command=("python", "-m", "pytest", "-q", "-n", "0", "tests/core/console/test_tmux.py"),
        tools=("terminal",),
        cannot="other terminals than tmux, and `kubectl exec` in a cluster",
    ),
    Proof(
        artefact="console",
        claim="nothing runs code by any name, nobody enters without token and key, no port opens, all is audited, "
        "memory answers while the database is away",
        tool="pytest, PostgreSQL behind a cable that is cut",
        command=(
            "python",
            "-m",
            "pytest",
            "-q",
            "-n",
            "0",
            "tests/core/console",
            "--ignore=tests/core/console/test_tmux.py",
        ),
        cannot="a person who works as the replica's own account: such a one could attach a debugger as well",
    ),
]
