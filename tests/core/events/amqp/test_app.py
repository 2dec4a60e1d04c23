"""A whole app that is told of a broker."""

import secrets

from core.app import App
from core.types import uuid7
from tests.core.events.samples import ParcelArrived
from tests.core.harness import NewProbe, NewSettings
from tests.core.http.probe import ProbePlugin
from tests.transports import until


async def test_an_app_with_a_broker_sends_its_events_that_way(new_probe: NewProbe, rabbit_url: str) -> None:
    prefix = f"test-{secrets.token_hex(4)}."
    async with new_probe(rabbitmq={"url": rabbit_url, "prefix": prefix}) as probe:
        parcel, bridge = uuid7(), probe.app.delivery.bridge
        assert bridge is not None
        async with probe.db.transaction() as tx:
            tx.emit(ParcelArrived(parcel_id=parcel))

        async def heard() -> bool:
            return bool(probe.plugin.heard)

        await until(heard)
        assert probe.plugin.heard[0][0] == ParcelArrived(parcel_id=parcel)
        delivery = probe.app.delivery
        assert (delivery.state, delivery.published, delivery.returned) == ("connected", 1, 0)
        assert (bridge.intake.received, bridge.letters.kept) == (1, 0)
        assert (await probe.get("/health/ready")).status == 200


async def test_an_app_is_ready_and_serves_without_its_broker(new_probe: NewProbe) -> None:
    async with new_probe(rabbitmq={"url": "amqp://guest:guest@127.0.0.1:1/"}) as probe:
        bridge = probe.app.delivery.bridge
        assert bridge is not None
        assert bridge.state == "away"
        assert (await probe.get("/health/ready")).status == 200
        assert (await probe.get("/probe/hello")).status == 200


async def test_an_app_that_is_told_of_none_has_no_bridge(new_settings: NewSettings) -> None:
    delivery = App(await new_settings(), [ProbePlugin()]).delivery
    assert (delivery.state, delivery.published, delivery.returned) == ("in-process", 0, 0)
