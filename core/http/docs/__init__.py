"""The documentation page: it reads the OpenAPI document and sends requests from the browser.

Four files make one self-contained page. It loads nothing but the document, and its policy lets nothing else run.
"""

import html
from pathlib import Path

from core.http.sealed import sealed

HERE = Path(__file__).parent
DEFAULT_URL = "/openapi.json"


def page(document_url: str = DEFAULT_URL) -> tuple[bytes, str]:
    """The HTML and its Content-Security-Policy."""
    text, policy = sealed(HERE, "page.html", "page.css", ("schema.js", "page.js"))
    return text.replace(DEFAULT_URL.encode(), html.escape(document_url).encode()), policy
