"""Four loads: `locust -f tests/load/scenarios.py OrderRush`; `python -m tests.load` runs all of them for you."""

import random
import sys
from pathlib import Path

import gevent
from locust import between, constant_pacing, task

# Locust runs this file by its path, outside of any package.
sys.path.insert(0, str(Path(__file__).parent))

from shop import Customer

WORDS = ("tamato", "aam", "onion", "milk", "தக்காளி")


class Browse(Customer):
    """People who look around: what the catalogue keeps in memory, and searches, which it does not."""

    wait_time = between(0.2, 1.0)

    @task(6)
    def page(self) -> None:
        """Turn a page."""
        self.ask("GET", f"/products?page={random.randrange(1, 4)}&limit=20", name="/products")

    @task(3)
    def look(self) -> None:
        """Look at one product."""
        self.ask("GET", f"/products/{self.some()}", name="/products/{id}")

    @task(2)
    def home(self) -> None:
        """The first screen."""
        self.ask("GET", "/categories")
        self.ask("GET", "/banners")

    @task(1)
    def search(self) -> None:
        """Misspelt, or in another script."""
        self.ask("GET", f"/products?search={random.choice(WORDS)}&page=1&limit=20", name="/products?search")


class OrderRush(Customer):
    """A festival morning: signed in, into the cart, order, look at it."""

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        """Sign in first."""
        super().on_start()
        self.sign_in()

    @task
    def buy(self) -> None:
        """One order."""
        self.ask("POST", "/cart/items", {"productId": self.some(), "quantity": 1})
        self.ask("GET", "/cart")
        self.order()
        self.ask("GET", "/orders?page=1&limit=10", name="/orders")


class LoginStorm(Customer):
    """An advertisement has just been on: everybody signs in, some mistype the code."""

    wait_time = between(0.5, 1.5)

    @task
    def come(self) -> None:
        """Sign in as somebody new, look, sign out."""
        self.access = ""
        self.sign_in()
        self.ask("GET", "/users/profile")
        self.ask("POST", "/auth/logout", {})


class ResumeBurst(Customer):
    """The network is back and every phone wakes at once: five requests together, after a new token."""

    wait_time = constant_pacing(3)

    def on_start(self) -> None:
        """Signed in long ago."""
        super().on_start()
        self.sign_in()

    @task
    def wake(self) -> None:
        """What the app asks when it comes to the front."""
        self.renew()
        paths = ("/users/profile", "/cart", "/orders?page=1&limit=10", "/products?page=1&limit=20", "/categories")
        asked = [gevent.spawn(self.ask, "GET", path, name=path.partition("?")[0]) for path in paths]
        gevent.joinall(asked, raise_error=True)
