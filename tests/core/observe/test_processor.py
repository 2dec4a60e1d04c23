"""A thread that sleeps is told from one that has no processor."""

import threading
import time

from core.observe.processor import awake
from tests.core.observe.busy.plugin import computing


def test_sleep_is_told_from_work_however_busy_the_machine_is() -> None:
    me = threading.get_native_id()
    began, before = time.monotonic(), awake(me) or 0.0
    computing(0.2)
    worked, after = time.monotonic(), awake(me) or 0.0
    assert abs((after - before) - (worked - began)) < 0.1
    time.sleep(0.3)
    assert (awake(me) or 0.0) - after < 0.2 + (time.monotonic() - worked - 0.3)


def test_a_thread_that_is_not_there_says_nothing() -> None:
    assert awake(2**30) is None
