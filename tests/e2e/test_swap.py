# SPDX-License-Identifier: Apache-2.0
"""Each driver takes over from each other on a running system, by one line of the
configuration and SIGHUP: no request of a denied machine is answered meanwhile,
and nothing of the old driver stays."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest

from conformance import NETWORKS, STATES, VARIANTS
from conformance_play import ServerLog, environment, sections, wait_until_all_is_read
from footprint import footprint, kernel_objects
from lab import Lab, wait_for
from probe import Probe
from subject import PATIENCE, Controller, FakeIronic, Sections

# One way of running each.
DRIVERS = {v.driver: v for v in VARIANTS if v.xtables in (None, "xtables-nft-multi")}
STATE = {state.key: state for state in STATES}
INSPECTED, DENIED, UNKNOWN = 1, 2, 3
ENOUGH = 10  # requests before a swap, and after


def each_to_each(names: list[str]) -> list[tuple[str, str]]:
    """All ordered pairs, each beginning where the one before it ended."""
    left = {name: [other for other in names if other != name] for name in names}
    stack, walk = [names[0]], []
    while stack:
        if left[stack[-1]]:
            stack.append(left[stack[-1]].pop())
        else:
            walk.append(stack.pop())
    walk.reverse()
    return list(zip(walk, walk[1:]))


class World:
    """A controller on its way from driver to driver."""

    def __init__(self, lab: Lab, ironic: FakeIronic) -> None:
        self.lab = lab
        self.ironic = ironic
        self.driver = ""
        self.controller = Controller(lab)

    def configure(self, driver: str, changes: Sections | None = None) -> None:
        self.controller.set_defaults(sections(self.lab, self.ironic, driver))
        self.controller.configure(changes or {})

    def be_at(self, driver: str) -> None:
        if not self.driver:
            self.configure(driver)
            self.controller.env = environment(self.lab, DRIVERS["iptables"])
            self.controller.start()
            self.controller.wait_synced()
            self.driver = driver
        elif self.driver != driver:
            self.swap(driver)

    def swap(self, driver: str) -> None:
        """Returns when the other driver is in force and the old one is gone."""
        assert self.controller.alive(), self.controller.log()
        self.configure(driver)
        before = len(self.controller.log())
        self.controller.signal(signal.SIGHUP)
        self._wait_log(f"driver {driver} has taken over from {self.driver}", before)
        self._wait_log(f"the filter of driver {self.driver} is removed", before)
        self.driver = driver

    def _wait_log(self, text: str, since: int) -> None:
        def told() -> bool:
            said = self.controller.log()[since:]
            return text in said or " error " in said or not self.controller.alive()

        wait_for(told, PATIENCE)
        said = self.controller.log()[since:]
        assert self.controller.alive() and text in said, f"no {text!r} in:\n{said}"

    def hosts(self, number: int) -> dict[str, str]:
        """The machine of each network."""
        return {network: pattern.format(number) for network, pattern in NETWORKS.items()}

    def set_state(self, number: int, state: str) -> None:
        for host in self.hosts(number).values():
            self.ironic.set_state(host, state)
        self.sync()

    def sync(self) -> None:
        synced = self.controller.cli("sync", check=False)
        assert synced.returncode == 0, f"{synced.stderr}\n{self.controller.log()}"

    def answered(self, number: int) -> dict[str, bool]:
        """Who is answered, now that the driver is in force, by network."""
        hosts = self.hosts(number)
        with contextlib.ExitStack() as stack:
            probes = {n: stack.enter_context(Probe(self.lab, h)) for n, h in hosts.items()}
            wait_for(lambda: all(probe.answered() for probe in probes.values()), 1)
            wait_for(lambda: all(len(p.requests) >= 8 for p in probes.values()), PATIENCE)
            for probe in probes.values():
                probe.stop()
        return {network: bool(probe.answered()) for network, probe in probes.items()}

    def expected(self, driver: str, state: str) -> dict[str, bool]:
        return {n: DRIVERS[driver].expected(STATE[state], n) for n in NETWORKS}


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    with FakeIronic(lab) as ironic:
        world = World(lab, ironic)
        for number, state in ((INSPECTED, "inspect wait"), (DENIED, "active")):
            for host in world.hosts(number).values():
                ironic.add(host, lab.mac(host), state=state)
        with world.controller:
            yield world


@contextlib.contextmanager
def asking(world: World, old: str, new: str) -> Iterator[None]:
    """The denied machines ask, many times a second, from before to after a swap; at
    the end it is checked that they were answered where a driver cannot help it, and
    only there."""
    log = ServerLog(world.lab)
    with contextlib.ExitStack() as stack:
        probes = {
            network: stack.enter_context(Probe(world.lab, host, 0.02))
            for network, host in world.hosts(DENIED).items()
        }

        def enough(more: dict[str, int]) -> bool:
            return all(len(p.requests) >= more[n] + ENOUGH for n, p in probes.items())

        assert wait_for(lambda: enough(dict.fromkeys(probes, 0)), PATIENCE)
        began = max(probe.requests[-1].sent for probe in probes.values())
        yield
        ended = max(probe.requests[-1].sent for probe in probes.values())
        count = {network: len(probe.requests) for network, probe in probes.items()}
        assert wait_for(lambda: enough(count), PATIENCE)
        for probe in probes.values():
            probe.stop()
    wait_until_all_is_read(world.lab)
    log.read()
    for network, probe in probes.items():
        mac = world.lab.mac(probe.host)
        open_before, open_after = (
            world.expected(driver, "active")[network] for driver in (old, new)
        )
        answered = [request.sent for request in probe.requests if request.answered]
        wrong = [
            sent
            for sent in answered
            if (sent <= began and not open_before)
            or (sent > ended and not open_after)
            or not (open_before or open_after)
        ]
        assert not wrong, (
            f"{probe.host}, which is denied, was answered {len(wrong)} of "
            f"{len(probe.requests)} times\n{world.controller.log()}"
        )
        in_server = DRIVERS[old].server_hears_denied or DRIVERS[new].server_hears_denied
        if not (open_before or open_after or in_server):
            assert not log.heard[mac], f"{log.heard[mac]} requests of {probe.host} passed"


@pytest.mark.parametrize(("old", "new"), each_to_each(list(DRIVERS)))
def test_nothing_is_answered_meanwhile_and_nothing_is_left(
    world: World, old: str, new: str
) -> None:
    world.be_at(old)
    with asking(world, old, new):
        world.swap(new)
    assert set(footprint(world.lab)) == {new} - {"noop"}
    if new != "xdp":
        assert not kernel_objects(world.controller.process.pid)
    for number, state in (
        (INSPECTED, "inspected"),
        (DENIED, "active"),
        (UNKNOWN, "unknown_inspection"),
    ):
        assert world.answered(number) == world.expected(new, state), state


@pytest.mark.parametrize("new", [name for name in DRIVERS if name != "dnsmasq"])
def test_dnsmasq_forgets_whom_it_had_to_ignore(world: World, new: str) -> None:
    """Known machines, and, since nothing was inspected, unknown ones."""
    world.be_at("dnsmasq")
    world.set_state(INSPECTED, "manageable")
    assert world.answered(UNKNOWN) == world.expected("dnsmasq", "unknown_idle")
    try:
        world.swap(new)
        world.set_state(DENIED, "inspect wait")
        assert world.answered(DENIED) == world.expected(new, "inspected")
        assert world.answered(UNKNOWN) == world.expected(new, "unknown_inspection")
    finally:
        world.set_state(DENIED, "active")
        world.set_state(INSPECTED, "inspect wait")


def test_teardown_removes_what_is_there_whatever_driver_it_was(world: World) -> None:
    world.be_at("xdp")
    world.controller.cli("teardown")
    assert world.controller.wait() == 0
    assert footprint(world.lab) == {}
    for network, answered in world.answered(DENIED).items():
        assert answered, network
