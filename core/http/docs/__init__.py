"""The documentation page: it reads the OpenAPI document and sends requests from the browser.

Four files make one self-contained page. It loads nothing but the document, and its policy lets nothing else run.
"""

import base64
import hashlib
import html
from pathlib import Path

HERE = Path(__file__).parent
DEFAULT_URL = "/openapi.json"


def page(document_url: str = DEFAULT_URL) -> tuple[bytes, str]:
    """The HTML and its Content-Security-Policy."""
    style = _text("page.css")
    script = _text("schema.js") + _text("page.js")
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    text = _text("page.html").replace(DEFAULT_URL, html.escape(document_url))
    text = text.replace("<style></style>", f"<style>{style}</style>")
    return text.replace("<script></script>", f"<script>{script}</script>").encode(), policy


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _source(block: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"
