# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes a controller at work: docs/monitoring's alerts and every
query of its dashboard have data there, and the data are right.

Machines ask, directly and through relays, while a real Ironic inspects some of them
and tells of it through RabbitMQ. What the dashboard shows of that is drawn into
build/e2e-logs/dashboard.png, or $PXEGATE_DASHBOARD_PNG.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import draw_dashboard
import pytest
import yaml
from lab import Lab, wait_for
from namespace import HttpConnection
from subject import PATIENCE, ROOT, Controller, Sections

WITH_IRONIC = True
WITH_RABBITMQ = True

MONITORING = ROOT / "docs" / "monitoring"
ALERTS = MONITORING / "alerts.yml"
DASHBOARD = json.loads(draw_dashboard.DASHBOARD.read_text(encoding="utf-8"))
API = ("127.0.0.1", 9180)  # of the controller
PROMETHEUS = ("127.0.0.1", 9090)
# Often, so that a short run has rates.
SCRAPE_INTERVAL = 1
RATE_INTERVAL = "30s"

INSPECTED = ["flat1", "leaf1n1"]  # over and over
DENIED = ["flat2", "leaf1n2", "leaf2n1"]
UNKNOWN = ["flat3"]
ROUNDS = 6
SELECTOR = re.compile(r"\b((?:pxegate|process)_\w+)(\{[^}]*\})?")


class Prometheus:
    """Debian's, in the lab's spine, with the documented alerts."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._folder = lab.state_dir / "prometheus"
        self._log = lab.log_dir / "spine.prometheus.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Prometheus:
        self._folder.mkdir()
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_INTERVAL}s",
                "scrape_timeout": f"{SCRAPE_INTERVAL}s",
                "evaluation_interval": f"{SCRAPE_INTERVAL}s",
            },
            "rule_files": [str(ALERTS)],
            "scrape_configs": [
                {
                    "job_name": "pxegate",
                    "static_configs": [{"targets": [f"{API[0]}:{API[1]}"]}],
                }
            ],
        }
        path = self._folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        with open(self._log, "ab") as log:
            self._process = self._lab.popen(
                "spine",
                ["prometheus", f"--config.file={path}"]
                + [f"--storage.tsdb.path={self._folder / 'data'}"]
                + [f"--web.listen-address={PROMETHEUS[0]}:{PROMETHEUS[1]}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        assert wait_for(self._ready, PATIENCE), self._log.read_text(encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def _get(self, path: str, **parameters: Any) -> tuple[int, str]:
        connection = HttpConnection(self._lab.namespace("spine"), PROMETHEUS, 30)
        with contextlib.closing(connection):
            text = urllib.parse.urlencode(parameters, doseq=True)
            connection.request("GET", f"{path}?{text}")
            response = connection.getresponse()
            return response.status, response.read().decode()

    def get(self, what: str, **parameters: Any) -> Any:
        status, text = self._get(f"/api/v1/{what}", **parameters)
        answer = json.loads(text)
        assert status == 200 and answer["status"] == "success", text
        assert not answer.get("warnings"), text
        return answer["data"]

    def range(self, expr: str, window: dict[str, Any]) -> list[dict[str, Any]]:
        return self.get("query_range", query=expr, **window)["result"]

    def value(self, expr: str) -> float | None:
        """What an expression of one series yields now."""
        found = self.get("query", query=expr)["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def wait_value(self, expr: str, fits: Callable[[float], bool]) -> None:
        seen: float | None = None

        def reached() -> bool:
            nonlocal seen
            seen = self.value(expr)
            return seen is not None and fits(seen)

        assert wait_for(reached, PATIENCE, 0.2), f"{expr} is {seen}"

    def alert_states(self) -> dict[str, str]:
        """Of those that are pending or firing."""
        alerts = self.get("alerts")["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in alerts}


class World:
    def __init__(self, lab: Lab, controller: Controller, prometheus: Prometheus) -> None:
        self.lab = lab
        self.controller = controller
        self.prometheus = prometheus
        self.began = time.time()

    def page(self) -> str:
        connection = HttpConnection(self.lab.namespace("spine"), API, 10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            assert response.status == 200
            content_type = response.headers["Content-Type"]
            assert content_type == "text/plain; version=0.0.4; charset=utf-8"
            return response.read().decode()

    def window(self) -> dict[str, Any]:
        return {"start": self.began, "end": time.time(), "step": SCRAPE_INTERVAL}


def sections(driver: str = "xdp") -> Sections:
    return {
        "DEFAULT": {"transport_url": "rabbit://pxegate:secret-of-pxegate@127.0.0.1:5672/"},
        "pxe_filter": {"driver": driver, "poll_interval": 1, "sync_period": 5},
        "nftables": {"interfaces": "prov0"},
        "api": {"listen": f"{API[0]}:{API[1]}"},
    }


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    """After some rounds of inspections, and of requests by all machines."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}: scripts/packages lab")
    ironic = lab.ironic
    for host in INSPECTED + DENIED:
        ironic.enroll(host, [lab.mac(host)], "manageable")
    with Controller(lab, sections()) as controller, Prometheus(lab) as prometheus:
        controller.start_synced()
        world = World(lab, controller, prometheus)
        prometheus.wait_value("pxegate_broker_connected", lambda value: value == 1)
        for _ in range(ROUNDS):
            for host in INSPECTED:
                ironic.inspect(host)
            controller.wait_enforced({lab.mac(host): "allow" for host in INSPECTED})
            answers = lab.ask_many(INSPECTED + DENIED + UNKNOWN)
            assert all(answers[host] for host in INSPECTED)
            assert not any(answers[host] for host in DENIED)
            for host in INSPECTED:
                ironic.finish_inspection(host)
        yield world
        controller.kill()
        controller.cli("teardown")
        controller.cli("teardown", "--driver", "nftables")


def promtool(*arguments: str | Path, text: str | None = None) -> None:
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr


def test_the_page_is_as_prometheus_would_have_it(world: World) -> None:
    promtool("check", "metrics", text=world.page())


def test_every_query_of_the_dashboard_returns_data(world: World) -> None:
    window = world.window()
    for panel in draw_dashboard.panels(DASHBOARD):
        assert panel["description"], panel["title"]
        for target in panel["targets"]:
            expr = draw_dashboard.expression(target, RATE_INTERVAL)
            found = world.prometheus.range(expr, window)
            values = [float(value) for each in found for _, value in each["values"]]
            assert [value for value in values if value == value], f"{panel['title']}: {expr}"
            for each in found:
                name = draw_dashboard.legend(target, each["metric"])
                assert name.strip(" :,"), f"{panel['title']}: a line without a name"


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    cells = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in cells and x < 24, panel["title"]
                cells.add((x, y))
    height = max(y for _, y in cells) + 1
    assert len(cells) == 24 * height, "there are holes"


def test_the_dashboard_can_be_looked_at(world: World) -> None:
    png = Path(
        os.environ.get("PXEGATE_DASHBOARD_PNG", ROOT / "build" / "e2e-logs" / "dashboard.png")
    )
    png.parent.mkdir(parents=True, exist_ok=True)
    seconds = time.time() - world.began
    draw_dashboard.draw(DASHBOARD, world.prometheus.range, png, seconds)
    assert png.read_bytes().startswith(b"\x89PNG")
    print(f"the dashboard: {png}")


def test_the_counters_are_those_of_the_filter(world: World) -> None:
    clients = world.controller.json("clients")
    counted = {}
    for counter in clients["counters"]:
        key = (counter["verdict"], counter["reason"])
        counted[key] = float(counter["packets"])
    assert counted["deny", "rule"] > 0 and counted["allow", "rule"] > 0
    assert counted["allow", "unknown"] > 0
    for (verdict, reason), packets in counted.items():
        world.prometheus.wait_value(
            f'sum(pxegate_requests_total{{verdict="{verdict}", reason="{reason}"}})',
            lambda value, packets=packets: value == packets,
        )
    for relayed, hosts in (("true", ["leaf1n1"]), ("false", ["flat1"])):
        expr = (
            f'sum(pxegate_requests_total{{interface="prov0", relayed="{relayed}", '
            'verdict="allow", reason="rule"})'
        )
        # A DISCOVER and a REQUEST at least, each time.
        world.prometheus.wait_value(
            expr, lambda value, hosts=hosts: value >= 2 * ROUNDS * len(hosts))
    for relay in clients["relays"]:
        for verdict, packets in (("allow", relay["allowed"]), ("deny", relay["dropped"])):
            selector = f'{{relay="{relay["relay"]}", verdict="{verdict}"}}'
            world.prometheus.wait_value(
                f"pxegate_relay_requests_total{selector}",
                lambda value, packets=packets: value == packets,
            )


def test_each_inspection_is_timed(world: World) -> None:
    name = "pxegate_enforcement_delay_seconds"
    inspections = ROUNDS * len(INSPECTED)
    world.prometheus.wait_value(
        f'{name}_count{{change="open"}}', lambda value: value == inspections
    )
    # Not an absolute time: that they are delays at all, and no epoch or skew.
    mean = world.prometheus.value(f'{name}_sum{{change="open"}}') / inspections
    assert 0 < mean < PATIENCE
    world.prometheus.wait_value(f'{name}_count{{change="close"}}', lambda value: value > 0)
    world.prometheus.wait_value("pxegate_hints_total", lambda value: value > 0)


def test_nothing_fires_while_all_is_well(world: World) -> None:
    groups = world.prometheus.get("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(alerts())
    for rule in rules:
        assert rule["health"] in ("ok", "unknown") and not rule.get("lastError"), rule
    # A scrape that a busy machine was too slow for makes one pending, for a moment.
    assert wait_for(lambda: world.prometheus.alert_states() == {}, PATIENCE, 0.2), (
        world.prometheus.alert_states())


def test_the_policy_gets_stale_when_ironic_ends(world: World) -> None:
    world.lab.service("ironic-api", "kill")
    try:
        world.prometheus.wait_value("pxegate_policy_stale", lambda value: value == 1)

        def told() -> bool:
            states = world.prometheus.alert_states()
            return {"PxegatePolicyStale", "PxegateNotHealthy"} <= states.keys()

        assert wait_for(told, PATIENCE)
    finally:
        world.lab.service("ironic-api", "start")
    world.prometheus.wait_value("pxegate_policy_stale", lambda value: value == 0)
    world.prometheus.wait_value("pxegate_healthy", lambda value: value == 1)


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


# Last but for the swap: some only exist once Ironic has failed.
def test_every_series_that_an_alert_is_about_exists(world: World) -> None:
    for alert in alerts():
        for name, labels in SELECTOR.findall(alert["expr"]):
            found = world.prometheus.get(
                "series", **{"match[]": name + labels, "start": world.began}
            )
            assert found, f"{alert['alert']}: {name}{labels}"


def test_counters_outlast_another_driver(world: World) -> None:
    names = ["pxegate_http_requests_total", "pxegate_enforcement_delay_seconds_count"]
    names += ["pxegate_broker_messages_total", "pxegate_sync_duration_seconds_count"]
    before = {name: world.prometheus.value(f"sum({name})") for name in names}
    world.controller.reload(sections("nftables"))
    world.prometheus.wait_value(
        'pxegate_driver_info{driver="nftables"}', lambda value: value == 1
    )
    promtool("check", "metrics", text=world.page())
    for name, value in before.items():
        assert world.prometheus.value(f"sum({name})") >= value
        resets = world.prometheus.value(f"sum(resets({name}[10m]))")
        assert resets == 0, f"{name} began anew"
    # It counts requests, but not by interface.
    assert 'pxegate_requests_total{interface="",relayed="",' in world.page()
    assert 'pxegate_target_active{target="prov0"} 1' in world.page()


def test_a_controller_that_died_is_missed(world: World) -> None:
    world.controller.signal(signal.SIGKILL)
    world.controller.wait()
    assert wait_for(
        lambda: "PxegateDown" in world.prometheus.alert_states(), PATIENCE, 0.2
    )
