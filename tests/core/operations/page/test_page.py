"""The status page in a real browser: signed in by keyboard, live, at the widths of a desk and of a phone."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from core.app import App
from core.operations.page import serving
from tests.core.harness import NewSettings, Probe, running
from tests.core.http.probe import ProbePlugin

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
QUIET = """headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking
disable-component-update disable-sync disable-dev-shm-usage hide-scrollbars"""
DESK, PHONE = (1280, 900), (390, 844)
SOON = 40.0
LEFT_OUT = (
    "NOT LOOKED AT: there is no Chromium and no chromedriver here. On Debian: apt-get install chromium chromium-driver"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=LEFT_OUT),
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for one in QUIET.split():
        options.add_argument(f"--{one}")
    options.add_argument(f"--user-data-dir={tmp_path}")
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=webdriver.ChromeService(executable_path=DRIVER), options=options)
    yield driver
    driver.quit()


@pytest.fixture
async def probe(new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Probe]:
    monkeypatch.setattr(serving, "PAUSE", 0.0)
    plugin = ProbePlugin()
    async with running(App(await new_settings(operations={"port": 0}), [plugin]), plugin) as started:
        yield started


def text(browser: webdriver.Chrome, found: str) -> str:
    return browser.find_element(By.CSS_SELECTOR, found).text


async def until(look: Callable[[], Any]) -> None:
    """The browser is asked in a thread: the page's answers come from this loop."""
    async with asyncio.timeout(SOON):
        while not await asyncio.to_thread(look):
            await asyncio.sleep(0.2)


def signed_in(browser: webdriver.Chrome, probe: Probe) -> None:
    """By keyboard alone. A key returns before the page that it asked for, and a page comes before its focus is set."""
    wait = WebDriverWait(browser, SOON)
    browser.get(probe.app.operations.address)
    wait.until(focus_on_the_token).send_keys("wrong", Keys.ENTER)
    said = wait.until(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "[role=alert]")))
    assert said.text == "That is not the token."
    wait.until(focus_on_the_token).send_keys(probe.app.settings.operations.token.reveal(), Keys.ENTER)
    wait.until(expected_conditions.presence_of_element_located((By.ID, "state")))


def focus_on_the_token(browser: webdriver.Chrome) -> WebElement | None:
    focused = browser.switch_to.active_element
    return focused if focused.get_attribute("type") == "password" else None


def looked_at(browser: webdriver.Chrome, size: tuple[int, int], name: str) -> None:
    """Nothing is wider than the window, every plot says what it shows, every table its name."""
    browser.set_window_size(*size)
    wide = browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    plots = browser.find_elements(By.CSS_SELECTOR, "#plots svg[role=img]")
    assert len(plots) >= 3
    assert all(": now " in str(plot.get_attribute("aria-label")) for plot in plots)
    tables = browser.find_elements(By.CSS_SELECTOR, "table")
    assert all(table.find_elements(By.CSS_SELECTOR, "caption, thead th[scope=col]") for table in tables)
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"status-{name}.png"))


async def test_an_operator_looks_at_the_page(probe: Probe, browser: webdriver.Chrome) -> None:
    await asyncio.to_thread(signed_in, browser, probe)
    await until(lambda: text(browser, "#state") == "All is well")
    for _ in range(7):
        await probe.get("/probe/hello")
    await until(lambda: "GET /api/v1/probe/hello\n7 " in text(browser, "#routes").replace(" 7 ", "\n7 "))
    await probe.get("/probe/boom")
    await until(lambda: text(browser, "#state") == "1 thing to look at")
    assert await asyncio.to_thread(text, browser, "#worries") == "GET /api/v1/probe/boom failed 1 times"
    for size, name in ((DESK, "desktop"), (PHONE, "phone")):
        await asyncio.to_thread(looked_at, browser, size, name)
    pause = browser.find_element(By.ID, "pause")
    await asyncio.to_thread(pause.send_keys, Keys.ENTER)
    assert await asyncio.to_thread(pause.get_attribute, "aria-pressed") == "true"
    shown = await asyncio.to_thread(text, browser, "#when")
    await asyncio.sleep(5)
    assert await asyncio.to_thread(text, browser, "#when") == shown
    await asyncio.to_thread(pause.send_keys, Keys.ENTER)
    await until(lambda: text(browser, "#when") != shown)
    said = [line for line in browser.get_log("browser") if "401" not in line["message"]]  # type: ignore[no-untyped-call]  # of selenium
    assert said == []


async def test_the_page_says_when_its_replica_is_gone(probe: Probe, browser: webdriver.Chrome) -> None:
    await asyncio.to_thread(signed_in, browser, probe)
    await until(lambda: text(browser, "#state") == "All is well")
    await probe.app.stop(0.1)
    await until(lambda: text(browser, "#state").startswith("This replica does not answer"))


async def test_a_page_whose_sign_in_expired_asks_for_the_token(
    probe: Probe, browser: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ConnectionError

    await asyncio.to_thread(signed_in, browser, probe)
    await until(lambda: text(browser, "#state") == "All is well")
    await asyncio.to_thread(browser.delete_all_cookies)
    monkeypatch.setattr(serving, "snapshot", broken)
    await until(lambda: browser.find_elements(By.CSS_SELECTOR, "input[type=password]"))


async def test_whoever_is_one_viewer_too_many_is_told_and_comes_in_later(
    probe: Probe, browser: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crowded:
        crowded.setattr(serving, "VIEWERS", 0)
        await asyncio.to_thread(signed_in, browser, probe)
        await until(lambda: text(browser, "#state").startswith("This replica sends no figures: too many"))
    await until(lambda: text(browser, "#state") == "All is well")


async def test_a_replica_that_is_gone_before_it_told_anything_is_missed(
    probe: Probe, browser: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging(*_: object) -> None:
        await asyncio.sleep(SOON)

    monkeypatch.setattr(serving, "snapshot", hanging)
    await asyncio.to_thread(signed_in, browser, probe)
    await until(lambda: text(browser, "#state").startswith("This replica does not answer"))
