"""Debian's PostgreSQL, Redis, RabbitMQ and HAProxy in one image, where those of the registry cannot be had."""

from tests.ops.containers import debian, exists

STORES = "localhost/stores:check"
PACKAGES = "postgresql-15,redis-server,rabbitmq-server,haproxy,locales-all"


def have_stores() -> None:
    """Make it, once."""
    if not exists(STORES):
        debian(
            STORES,
            PACKAGES,
            "groupadd -g 999 store || groupmod -n store $(getent group 999 | cut -d: -f1)",
            "useradd -u 999 -g 999 -d /var/lib/store -m store",
            "rm -rf /var/lib/postgresql /var/lib/rabbitmq",
            "mkdir -p /var/lib/postgresql/data /var/lib/rabbitmq",
            "chown -R 999:999 /var/lib/postgresql /var/lib/rabbitmq /etc/rabbitmq",
            "chmod 700 /var/lib/postgresql/data",
        )
