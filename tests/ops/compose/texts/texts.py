"""A gateway for texts, in a container: `python texts.py FILE` writes down what it is given."""

import sys
from pathlib import Path

from aiohttp import web


def main(file: Path) -> None:
    """Serve until the process ends."""

    async def take(request: web.Request) -> web.Response:
        with file.open("ab") as out:
            out.write(await request.read() + b"\n")
        return web.json_response({"id": "taken"}, status=202)

    app = web.Application()
    app.router.add_post("/messages", take)
    web.run_app(app, port=8080, print=None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
