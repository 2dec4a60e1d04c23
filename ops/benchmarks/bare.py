"""What everything is measured against: aiohttp on uvloop, one handler, 120 bytes of JSON, nothing else.

python -m benchmarks.bare PORT
"""

import asyncio
import sys

import uvloop
from aiohttp import web

BODY = (
    b'{"id":4217,"name":"Carrots, washed, 1 kg","farm":"Green Hollow","price":249,'
    b'"currency":"INR","unit":"kg","inStock":true,"x":1}'
)


async def hello(_: web.Request) -> web.Response:
    """The smallest answer that is still JSON."""
    return web.Response(body=BODY, content_type="application/json", charset="utf-8")


async def serve(port: int) -> None:
    """Until killed."""
    app = web.Application()
    app.router.add_get("/hello", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
