# SPDX-License-Identifier: Apache-2.0
"""`pxegate events` tells each verdict as it falls, whoever is there to tell it;
and a policy that no controller renews gets stale, visibly."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab, wait_for
from subject import BINARY, PATIENCE, Controller, FakeIronic

ALLOWED, DENIED, RELAYED = "flat1", "flat2", "leaf1n2"
STALE_AFTER = 3
LEASE = {
    # A hanging answer must not outlast the lease.
    "ironic": {"timeout": 1},
    "xdp": {"stale_after": STALE_AFTER},
}


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        ironic.add(ALLOWED, lab.mac(ALLOWED), state="inspect wait")
        for host in (DENIED, RELAYED):
            ironic.add(host, lab.mac(host), state="active")
        yield ironic


@pytest.fixture
def controller(lab: Lab, ironic: FakeIronic) -> Iterator[Controller]:
    with Controller(lab) as controller:
        controller.set_defaults(
            {"ironic": {"endpoint_override": ironic.url}, "pxe_filter": {"poll_interval": 1}}
        )
        controller.configure({})
        yield controller
    controller.configure({})
    controller.cli("teardown")


class Follower:
    """A running `pxegate events --follow --json`."""

    def __init__(self, controller: Controller, *options: str) -> None:
        self._folder = controller.lab.state_dir
        self._out = self._folder / "events.out"
        self._err = self._folder / "events.err"
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = controller.lab.popen(
                "spine",
                [BINARY, "--config-file", controller.config]
                + ["events", "--follow", "--json", *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def events(self) -> list[dict[str, Any]]:
        lines = self._out.read_text(encoding="ascii").splitlines()
        return [event for event in map(json.loads, lines) if "address" in event]

    def notes(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def wait_for(self, **fields: Any) -> dict[str, Any]:
        """The first event with these fields."""
        found: list[dict[str, Any]] = []

        def seen() -> bool:
            found[:] = [e for e in self.events() if fields.items() <= e.items()]
            return bool(found)

        assert wait_for(seen, PATIENCE), f"{fields} not among {self.events()}\n{self.notes()}"
        return found[0]

    def wait_note(self, text: str) -> None:
        assert wait_for(lambda: text in self.notes(), PATIENCE), self.notes()

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


def test_each_verdict_is_told_as_it_falls(lab: Lab, controller: Controller) -> None:
    controller.start_synced()
    with Follower(controller) as follower:
        assert lab.ask(DENIED, 1, vendor_class="PXEClient:Arch:00007:UNDI:003016",
                       architecture=7) is None
        denied = follower.wait_for(address=lab.mac(DENIED))
        assert lab.ask(ALLOWED, 5) is not None
        allowed = follower.wait_for(address=lab.mac(ALLOWED), message_type="REQUEST")
        assert lab.ask(RELAYED, 1) is None
        relayed = follower.wait_for(address=lab.mac(RELAYED))
        assert follower.interrupt() == 0
        assert follower.notes() == ""

    assert denied["verdict"] == "deny" and denied["reason"] == "rule"
    assert denied["node"]["name"] == DENIED
    assert denied["interface"] == "prov0" and denied["relay"] is None
    assert denied["message_type"] == "DISCOVER" and denied["ip_version"] == 4
    assert denied["architecture"] and "UEFI" in denied["architecture"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", denied["time"])
    assert allowed["verdict"] == "allow"
    assert relayed["relay"] == lab.relay(RELAYED)

    # What was told is remembered, for people and with filters.
    lines = controller.cli("events", "--denied", "--relay", relayed["relay"]).stdout
    head, *rows = lines.splitlines()
    assert head.split()[:2] == ["TIME", "INTERFACE"] and rows
    assert all(lab.mac(RELAYED) in row for row in rows)
    only = controller.cli("events", "--mac", lab.mac(ALLOWED), "--json").stdout
    assert {json.loads(line)["address"] for line in only.splitlines()} == {lab.mac(ALLOWED)}


def test_following_outlives_the_controller(lab: Lab, controller: Controller) -> None:
    controller.start_synced()
    with Follower(controller) as follower:
        assert lab.ask(DENIED, 1) is None
        follower.wait_for(address=lab.mac(DENIED))
        controller.kill()
        follower.wait_note("reading the filter itself")
        assert lab.ask(RELAYED, 1) is None
        follower.wait_for(address=lab.mac(RELAYED))
        controller.start_synced()
        follower.wait_note("a controller runs")
        assert lab.ask(ALLOWED, 5) is not None
        follower.wait_for(address=lab.mac(ALLOWED))
        assert follower.interrupt() == 0
        times = [event["time"] for event in follower.events()]
        assert times == sorted(times)


def test_without_a_controller_events_come_from_the_filter(
    lab: Lab, controller: Controller
) -> None:
    controller.start_synced()
    controller.kill()
    assert lab.ask(DENIED, 1) is None
    said = controller.cli("events")
    assert lab.mac(DENIED) in said.stdout
    assert "no controller runs" in said.stderr
    assert lab.mac(DENIED) not in controller.cli("events").stdout, "told twice"


def test_a_reader_that_has_seen_enough_is_no_error(lab: Lab, controller: Controller) -> None:
    controller.start_synced()
    assert lab.ask(DENIED, 1) is None
    command = f"{BINARY} --config-file {controller.config} events --follow"
    done = lab.exec(
        "spine",
        ["bash", "-c", f"set -o pipefail; {command} > >(head -1); echo $?"],
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


def test_a_policy_that_nobody_renews_gets_stale(lab: Lab, controller: Controller) -> None:
    controller.configure(LEASE)
    controller.start_synced()
    lease = controller.json("status")["driver"]["lease"]
    assert not lease["expired"] and 0 < lease["expires_in"] <= STALE_AFTER
    assert "policy lease" in controller.cli("status").stdout
    # Renewed for longer than it lasts, or this would not be answered.
    since = controller.json("status")["uptime"]
    assert wait_for(
        lambda: controller.json("status")["uptime"] > since + 2 * STALE_AFTER, PATIENCE
    )
    assert lab.ask(ALLOWED, 5) is not None

    controller.kill()
    assert wait_for(lambda: controller.json("status")["driver"]["lease"]["expired"], PATIENCE)
    heard = lab.requests_heard(ALLOWED)
    assert lab.ask(ALLOWED, 1) is None
    assert lab.requests_heard(ALLOWED) == heard
    status = controller.cli("status", check=False)
    assert status.returncode == 1
    assert "STALE" in status.stdout.splitlines()[0]
    assert "stale_action = deny" in status.stdout
    clients = controller.cli("clients").stdout
    assert clients.startswith("WARNING: the policy is STALE")
    (asked,) = [
        client
        for client in controller.json("clients")["clients"]
        if client["address"] == lab.mac(ALLOWED)
    ]
    assert asked["verdict"] == "deny" and asked["reason"] == "stale"
    assert "stale" in controller.cli("events").stdout

    controller.start_synced()
    assert wait_for(lambda: controller.json("status")["healthy"], PATIENCE)
    assert lab.ask(ALLOWED, 5) is not None


def test_ironic_failing_keeps_the_policy_fresh_for_the_filter(
    lab: Lab, ironic: FakeIronic, controller: Controller
) -> None:
    controller.configure(LEASE)
    controller.start_synced()
    ironic.change(faults=[{"match": "/v1", "status": 503, "times": -1}])
    try:
        assert wait_for(lambda: controller.json("status")["sync"]["stale"], PATIENCE)
        status = controller.json("status")
        assert not status["driver"]["lease"]["expired"]
        assert lab.ask(ALLOWED, 5) is not None
    finally:
        ironic.change(clear_faults=True)


def test_a_controller_that_hangs_does_not_renew(lab: Lab, controller: Controller) -> None:
    controller.configure(LEASE)
    controller.start_synced()
    controller.signal(signal.SIGSTOP)
    try:
        assert wait_for(lambda: lab.ask(ALLOWED, 1) is None, PATIENCE)
    finally:
        controller.signal(signal.SIGCONT)
    assert wait_for(lambda: lab.ask(ALLOWED, 5) is not None, PATIENCE)
    told = controller.cli("events", "--mac", lab.mac(ALLOWED), "--json").stdout
    assert "stale" in {json.loads(line)["reason"] for line in told.splitlines()}


def test_a_controller_that_has_not_synced_does_not_renew(
    lab: Lab, ironic: FakeIronic, controller: Controller
) -> None:
    controller.configure(LEASE)
    controller.start_synced()
    controller.kill()
    ironic.change(faults=[{"match": "/v1", "status": 503, "times": -1}])
    try:
        controller.start()
        controller.wait_log("is filtered")
        assert wait_for(
            lambda: controller.json("status")["driver"]["lease"]["expired"], PATIENCE
        )
        assert lab.ask(ALLOWED, 1) is None
        assert controller.alive()
        assert "STALE" in controller.cli("status", check=False).stdout
    finally:
        ironic.change(clear_faults=True)
    controller.wait_synced()
    assert lab.ask(ALLOWED, 5) is not None
