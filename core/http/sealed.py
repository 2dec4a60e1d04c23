"""Pages that are one file: style and script lie in them, and their policy lets nothing else run."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

NONE, SELF = "'none'", "'self'"


def sealed(
    folder: Path, page: str, style: str, scripts: Sequence[str] = (), *, forms: bool = False
) -> tuple[bytes, str]:
    """The HTML of files in a folder, and its Content-Security-Policy. `forms` may be sent to the page's own site."""
    css, script = _text(folder / style), "".join(_text(folder / name) for name in scripts)
    runs, sends = _source(script) if script else NONE, SELF if forms else NONE
    policy = (
        f"default-src 'none'; style-src {_source(css)}; script-src {runs}; connect-src 'self'; "
        f"img-src data:; base-uri 'none'; form-action {sends}; frame-ancestors 'none'"
    )
    text = _text(folder / page).replace("<style></style>", f"<style>{css}</style>")
    return text.replace("<script></script>", f"<script>{script}</script>").encode(), policy


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _source(block: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"
