"""The registry of ports."""

from typing import Protocol

import pytest

from core.services import Port, PortMissing, Provided, Services


class Greeter(Protocol):
    """A port."""

    def greet(self) -> str:
        """Say something."""


class English:
    """An implementation."""

    def greet(self) -> str:
        return "hello"


GREETER: Port[Greeter] = Port("test.greeter")


def test_a_port_has_one_implementation() -> None:
    services = Services()
    assert not services.has(GREETER)
    with pytest.raises(PortMissing, match=r"test\.greeter"):
        services.get(GREETER)
    services.add(Provided(GREETER, English()))
    assert services.get(GREETER).greet() == "hello"
    with pytest.raises(RuntimeError, match="twice"):
        services.add(Provided(GREETER, English()))
    services.seal()
    with pytest.raises(RuntimeError, match="sealed"):
        services.add(Provided(Port("test.other"), English()))


def test_two_ports_of_one_name_are_two_ports() -> None:
    services = Services()
    services.add(Provided(GREETER, English()))
    assert not services.has(Port("test.greeter"))


def test_what_a_plugin_provided_can_be_forgotten() -> None:
    services, greeter, other = Services(), Port[str]("a.greeter"), Port[str]("b.greeter")
    services.add(Provided(greeter, "hello"), "a")
    services.add(Provided(other, "namaste"), "b")
    assert dict(services.owners) == {greeter: "a", other: "b"}
    services.drop("a")
    assert (services.has(greeter), services.get(other)) == (False, "namaste")
