# SPDX-License-Identifier: Apache-2.0
"""The page that `/` of the control API shows, in a real browser."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from forward import forwarded
from lab import Lab, wait_for
from probe import Probe
from subject import PATIENCE, ROOT, Controller, FakeIronic, filtering

PORT = 8089
ALLOWED, DENIED, UNKNOWN = "leaf1n1", "leaf2n1", "flat1"
HOSTILE = '<img src=x onerror="document.title=1">'
# Where to leave a picture of it, to be looked at.
PICTURE = Path(
    os.environ.get("PXEGATE_PICTURES", ROOT / "build" / "e2e-pictures")
) / "status-page.png"


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        ironic.add("rack1-node1", lab.mac(ALLOWED), state="inspect wait")
        ironic.add(HOSTILE, lab.mac(DENIED))
        yield ironic


@pytest.fixture(scope="module")
def controller(lab: Lab, ironic: FakeIronic) -> Iterator[Controller]:
    sections = {
        "pxe_filter": {"deny_unknown_macs": True},
        "ironic": {"endpoint_override": ironic.url},
        "api": {"listen": f"127.0.0.1:{PORT}"},
    }
    with filtering(lab, sections) as controller:
        yield controller


@pytest.fixture(scope="module")
def url(lab: Lab, controller: Controller) -> Iterator[str]:
    with forwarded(lab, "spine", PORT) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def traffic(lab: Lab, controller: Controller) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for host in (ALLOWED, DENIED, UNKNOWN):
            stack.enter_context(Probe(lab, host, interval=0.2))
        yield


@pytest.fixture(scope="module")
def browser(url: str, traffic: None) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for option in (
        "--headless=new",
        "--no-sandbox",  # it does not run as root otherwise
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--window-size=1280,1500",
    ):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service("/usr/bin/chromedriver")
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.get(url)
        yield browser
    finally:
        browser.quit()


def text(browser: webdriver.Chrome, css: str) -> str:
    return browser.execute_script(
        "return (document.querySelector(arguments[0]) || {}).innerText || ''", css
    )


def rows(browser: webdriver.Chrome, section: str) -> list[list[str]]:
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0] + ' tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.innerText))",
        f"#{section}",
    )


def eventually(condition: Callable[[], bool], browser: webdriver.Chrome) -> None:
    assert wait_for(condition, PATIENCE, 0.2), text(browser, "body")


def ask(browser: webdriver.Chrome, address: str) -> None:
    field = browser.find_element(By.NAME, "mac")
    field.clear()
    field.send_keys(address)
    browser.find_element(By.CSS_SELECTOR, "form button").click()


def test_state(browser: webdriver.Chrome) -> None:
    eventually(lambda: text(browser, "#state") == "healthy", browser)
    assert text(browser, "#who") == "driver xdp · prov0 (native)"
    facts = text(browser, "#facts")
    for name, value in (("may boot", "1"), ("may not", "1"), ("unknown machines", "denied")):
        assert f"{name}\n{value}\n" in facts + "\n", facts
    assert "nodes being inspected\n1 of 2" in facts
    assert not browser.find_element(By.ID, "troubles").is_displayed()


def test_leaves_with_rates_and_plots(browser: webdriver.Chrome, lab: Lab) -> None:
    def plotted() -> bool:
        found = {row[0]: row for row in rows(browser, "leaves")}
        first, second = found.get(lab.relay(ALLOWED)), found.get(lab.relay(DENIED))
        # Each asks five times a second, and is on another leaf.
        return bool(
            first
            and second
            and float(first[3].replace("–", "0")) > 1
            and first[4] == "0.0"
            and second[3] == "0.0"
            and float(second[4].replace("–", "0")) > 1
            and float(found["all requests"][4].replace("–", "0")) > 2
        )

    eventually(plotted, browser)
    points = "return document.querySelectorAll('#leaves tr:nth-child(2) polyline')[0].getAttribute('points')"
    eventually(lambda: len(browser.execute_script(points).split()) >= 3, browser)


def test_who_was_refused_and_why(browser: webdriver.Chrome, lab: Lab) -> None:
    def listed() -> bool:
        found = {row[0]: row for row in rows(browser, "refused")}
        denied, unknown = found.get(lab.mac(DENIED)), found.get(lab.mac(UNKNOWN))
        return bool(
            denied
            and unknown
            and lab.mac(ALLOWED) not in found
            and denied[1:4] == [HOSTILE, lab.relay(DENIED), "Ironic is not inspecting its node"]
            and unknown[1:4] == ["not in Ironic", "prov0", "no port in Ironic has this address"]
        )

    eventually(listed, browser)
    assert ["allow", "Ironic has a port with this address"] in [
        row[:2] for row in rows(browser, "counters")
    ]


@pytest.mark.parametrize(
    ("host", "lines"),
    [
        (ALLOWED, ["may network-boot", "node rack1-node1, inspect wait", "was let through"]),
        (DENIED, ["may NOT network-boot", f"node {HOSTILE}, active", "was refused"]),
        (UNKNOWN, ["may NOT network-boot", "was refused"]),
    ],
)
def test_search_by_mac(browser: webdriver.Chrome, lab: Lab, host: str, lines: list[str]) -> None:
    ask(browser, f" {lab.mac(host).upper()} ")
    eventually(
        lambda: all(line in text(browser, "#found") for line in [lab.mac(host), *lines]), browser
    )


def test_search_for_nonsense(browser: webdriver.Chrome) -> None:
    ask(browser, "<b>nobody</b>")
    eventually(lambda: "<b>nobody</b>" in text(browser, "#found"), browser)


def test_names_stay_text_and_nothing_is_refused_by_the_policy(browser: webdriver.Chrome) -> None:
    count = "return document.querySelectorAll('img, b, #refused script').length"
    assert browser.execute_script(count) == 0
    assert browser.title == "pxegate"
    # A search for nonsense is a 400 to the browser, which logs it.
    complaints = [
        entry for entry in browser.get_log("browser") if "/v1/policy" not in entry["message"]
    ]
    assert complaints == []


def test_no_script_can_be_smuggled_in(browser: webdriver.Chrome) -> None:
    """What the Content-Security-Policy is for, should an element ever be made of a name."""
    browser.execute_script(
        "const made = document.createElement('div');"
        "made.innerHTML = arguments[0];"
        "document.body.append(made);"
        "const script = document.createElement('script');"
        "script.textContent = 'document.title = 2';"
        "document.body.append(script);",
        HOSTILE,
    )
    time.sleep(0.5)
    assert browser.title == "pxegate"
    refused = [e for e in browser.get_log("browser") if "Content Security Policy" in e["message"]]
    assert refused
    browser.refresh()


def test_picture(browser: webdriver.Chrome) -> None:
    """Nothing to compare it with: for people to look at."""
    ask(browser, rows(browser, "refused")[0][0] if rows(browser, "refused") else "")
    eventually(lambda: len(rows(browser, "leaves")) == 3, browser)
    time.sleep(8)  # some samples
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(PICTURE))


def test_narrow_window(browser: webdriver.Chrome) -> None:
    size = browser.get_window_size()
    browser.set_window_size(500, 900)
    try:
        scrolls = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not browser.execute_script(scrolls)
    finally:
        browser.set_window_size(size["width"], size["height"])


def test_headers(url: str) -> None:
    def ask_for(method: str, path: str) -> tuple[http.client.HTTPResponse, str]:
        port = int(re.search(r":(\d+)/", url).group(1))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return response, response.read().decode()

    first, page = ask_for("GET", "/")
    second, _ = ask_for("GET", "/")
    policies = [r.getheader("Content-Security-Policy") for r in (first, second)]
    assert policies[0] != policies[1], "the nonce can be guessed"
    assert "default-src 'none'" in policies[0] and "unsafe" not in policies[0]
    assert first.getheader("X-Content-Type-Options") == "nosniff"
    assert first.getheader("Content-Type") == "text/html; charset=utf-8"
    # Self-contained: no address of another host, but for SVG's name.
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert ask_for("POST", "/")[0].status == 405
    assert ask_for("POST", "/v1/sync")[0].status == 403


def test_a_controller_that_is_gone_and_back(
    browser: webdriver.Chrome, controller: Controller
) -> None:
    controller.signal(signal.SIGKILL)
    controller.wait()
    eventually(lambda: text(browser, "#state").startswith("no answer"), browser)
    assert "What is in the kernel stays in force" in text(browser, "#who")
    controller.start_synced()
    eventually(lambda: text(browser, "#state") == "healthy", browser)


def test_troubles_are_told(browser: webdriver.Chrome, ironic: FakeIronic) -> None:
    """The last row: Ironic is gone."""
    ironic.stop()
    eventually(lambda: text(browser, "#state") == "NOT HEALTHY", browser)
    assert "out of date" in text(browser, "#troubles")
