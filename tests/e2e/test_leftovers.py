# SPDX-License-Identifier: Apache-2.0
"""What each driver leaves behind when its controller stops, dies or is told to
remove it, and when Ironic dies: who is answered then, and what is on the host.
docs/drivers.md has the table."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from conformance import VARIANTS
from conformance_play import environment, sections
from footprint import footprint
from lab import SCRIPTS, Lab, wait_for
from leftovers import CLOSED, EVENTS, IN_FORCE, OPEN, SUBJECTS, Left, Subject, expected_rows
from probe import Probe
from subject import PATIENCE, Controller, FakeIronic
from tables import as_markdown, section

INSPECTED, DENIED = "flat1", "flat2"
IPTABLES = next(variant for variant in VARIANTS if variant.driver == "iptables")


class World:
    """A controller with one driver, from a host without any filter on."""

    def __init__(self, lab: Lab, subject: Subject) -> None:
        self.lab = lab
        self.ironic = FakeIronic(lab)
        self.ironic.start()
        self.controller = Controller(lab)
        self.controller.env = environment(lab, IPTABLES)
        self.enroll()
        self.controller.set_defaults(sections(lab, self.ironic, subject.driver))
        command = f"{SCRIPTS / 'lab'} --name {lab.name}"
        self.controller.configure(
            {
                name: {key: value.format(lab=command) for key, value in options.items()}
                for name, options in subject.options.items()
            }
        )

    def enroll(self) -> None:
        for host, state in ((INSPECTED, "inspect wait"), (DENIED, "active")):
            self.ironic.add(host, self.lab.mac(host), state=state)

    def start(self) -> None:
        self.controller.start()

    def start_in_force(self) -> None:
        self.start()
        self.controller.wait_synced()
        with Probe(self.lab, INSPECTED) as probe:
            assert wait_for(lambda: bool(probe.answered()), PATIENCE), self.controller.log()


@pytest.fixture
def world(lab: Lab, subject: Subject) -> Iterator[World]:
    for file in lab.hostsdir.iterdir():
        file.unlink()
    lab.dhcp("stop" if subject.starts_server else "restart")
    assert footprint(lab) == {}
    world = World(lab, subject)
    try:
        yield world
    finally:
        world.controller.kill()
        world.controller.cli("teardown")
        world.ironic.stop()


def who_is_answered(lab: Lab) -> str:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(Probe(lab, host)) for host in (INSPECTED, DENIED)]
        wait_for(lambda: all(probe.answered() for probe in probes), 1)
        wait_for(lambda: all(len(probe.requests) > 8 for probe in probes), PATIENCE)
    outcome = tuple(bool(probe.answered()) for probe in probes)
    assert outcome != (False, True), "only the one that must not be answered was"
    return {(True, False): IN_FORCE, (False, False): CLOSED, (True, True): OPEN}[outcome]


def answers_503(world: World) -> None:
    world.ironic.change(faults=[{"match": "/v1", "status": 503, "times": -1}])


def wait_failed(world: World, times: int = 2) -> None:
    """Waits until Ironic was asked in vain, several times in a row."""

    def failed() -> bool:
        status = world.controller.status()
        return bool(status) and status["sources"][0]["consecutive_failures"] >= times

    assert wait_for(failed, PATIENCE), world.controller.log()


def unsynced(world: World) -> None:
    answers_503(world)
    world.start()
    wait_failed(world, 1)


def dead_ironic(world: World) -> None:
    world.ironic.stop()
    wait_failed(world)
    world.ironic.start()
    answers_503(world)
    wait_failed(world)


def clean_stop(world: World) -> None:
    assert world.controller.stop() == 0


def kill(world: World) -> None:
    world.controller.kill()


def restart(world: World) -> None:
    kill(world)
    world.start_in_force()


def tear_down(world: World) -> None:
    world.controller.cli("teardown")
    assert world.controller.wait() == 0


HAPPEN: dict[str, Callable[[World], None]] = {
    "unsynced": unsynced,
    "dead Ironic": dead_ironic,
    "clean stop": clean_stop,
    "kill": kill,
    "restart": restart,
    "teardown": tear_down,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.title)
def test_what_is_left(lab: Lab, world: World, subject: Subject, event: str) -> None:
    expected = subject.expected(event)
    if event == "unsynced":
        unsynced(world)
        assert found(lab) == expected, world.controller.log()
        return
    world.start_in_force()
    with Probe(lab, DENIED, 0.02) as probe:
        HAPPEN[event](world)
        more = len(probe.requests) + 20
        assert wait_for(lambda: len(probe.requests) > more, PATIENCE)
    assert found(lab) == expected, world.controller.log()
    if expected.force != OPEN:
        assert not probe.answered(), "a denied machine was answered meanwhile"


def found(lab: Lab) -> Left:
    return Left(who_is_answered(lab), tuple(footprint(lab)))


def test_the_page_about_the_drivers_says_what_is_left() -> None:
    """What is expected is what was found, by the tests above."""
    assert section("leftovers") == as_markdown(expected_rows()), (
        "run `sudo scripts/conformance --write-docs`"
    )
