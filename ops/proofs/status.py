"""The status page, in a real browser."""

from ops.proofs.model import Proof

PROOFS = [
    Proof(
        artefact="status page",
        claim="signed in by keyboard, live, fits a desk and a phone, says when its replica goes",
        tool="Chromium, selenium, PostgreSQL, Redis",
        command=("python", "-m", "pytest", "-q", "-n", "0", "tests/core/operations/page"),
        cannot="how people with a screen reader find it: only names, captions, roles and focus are looked at",
        tools=("browser",),
        needs=("chromium", "chromedriver"),
    ),
]
