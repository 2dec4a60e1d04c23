"""Every row of the matrix (RELIABILITY 2), and the rows that no scenario here can play, with the reason."""

from tests.faults.scenarios import broker, postgres, replicas, stores
from tests.faults.stage import Scenario

SCENARIOS: dict[str, Scenario] = {
    one.name: one for one in (*postgres.SCENARIOS, *stores.SCENARIOS, *broker.SCENARIOS, *replicas.SCENARIOS)
}
ELSEWHERE = {
    "Webhook repeated, reordered, forged": "the program has no payment webhook yet",
}
