# SPDX-License-Identifier: Apache-2.0
"""A real Ironic that tells its news through a real RabbitMQ, and what becomes of the
filter while the bus is cut off, empty, or full of what somebody else made up. As long
as it is heard, polls are a quarter of an hour apart: what takes effect sooner was told
by a notification, and the requests that a proxy before Ironic saw prove it. All the
time somebody looks at the kernel's maps: nobody may get in whom Ironic does not have
inspected.

What was seen is printed at the end, as docs/faults.md has it.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from fault_proxy import FaultProxy
from lab import Ironic, Lab, wait_for
from stranger import Stranger
from subject import PATIENCE, Controller, Sections
from watch import PolicyWatch

WITH_IRONIC = True
WITH_RABBITMQ = True

# In inspection all the time, so that unknown machines are let through: whoever
# the policy forgets gets in.
OPEN = "flat1"
DENIED = ["flat2", "leaf1n2", "leaf2n1", "flat3"]
NEWCOMERS = 26
POLL_INTERVAL = 1
SYNC_PERIOD = 900
HEARTBEAT = 3
# An address of the broker's that nobody but the controller goes to.
BROKER = "127.0.0.2:5672"
POLL = re.compile(r"^/v1/nodes\?.*\bprovision_state=")
# What hints lead to: HintQueue's kRoom and kPerSecond.
LOOK = re.compile(r"^/v1/(nodes/[0-9a-f-]{36}|ports\?.*\bnode=)")
LOOKS_AT_ONCE = 32
LOOKS_PER_SECOND = 20


def transport_url(user: str = "pxegate", password: str = "secret-of-pxegate") -> str:
    return (
        f"rabbit://{user}:{password}@{BROKER}/"
        f"?heartbeat_timeout_threshold={HEARTBEAT}"
    )


def sections(**default: str) -> Sections:
    return {"DEFAULT": {"transport_url": transport_url(), **default}}


@dataclass
class Seen:
    """A row of the table."""

    what: str
    wrong: int = 0
    caught_up: str = ""
    said: str = ""


@dataclass
class Newcomer:
    """A node that goes into inspection once."""

    name: str
    mac: str
    asked: float = 0.0  # when Ironic was, for its latest change, by time.monotonic()


class World:
    """Ironic, its bus, a controller that listens, and who looks on."""

    def __init__(self, lab: Lab, proxy: FaultProxy, controller: Controller) -> None:
        self.lab = lab
        self.ironic = lab.ironic
        self.proxy = proxy
        self.controller = controller
        self.watch: PolicyWatch
        self.table: list[Seen] = []
        self.nodes: dict[str, str] = {}  # UUIDs, by name
        self._waiting = [
            Newcomer(f"newcomer-{n}", f"52:54:00:0f:00:{n:02x}") for n in range(NEWCOMERS)
        ]
        self._inspected: Newcomer | None = None

    # --- what Ironic has

    def enroll(self) -> None:
        nodes = [(OPEN, self.lab.mac(OPEN), "inspect wait")]
        nodes += [(host, self.lab.mac(host), "manageable") for host in DENIED]
        nodes += [(one.name, one.mac, "manageable") for one in self._waiting]

        def enroll(node: tuple[str, str, str]) -> None:
            name, mac, state = node
            self.nodes[name] = self.ironic.enroll(name, [mac], state)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(enroll, nodes))

    def denied(self) -> list[str]:
        macs = [self.lab.mac(host) for host in DENIED]
        return macs + [one.mac for one in self._waiting]

    def begin(self) -> Newcomer:
        """An inspection; Ironic was asked for it when this returns."""
        newcomer = self._waiting.pop(0)
        self.watch.leave([newcomer.mac])
        newcomer.asked = time.monotonic()
        self.ironic.inspect(newcomer.name, wait=False)
        return newcomer

    def end(self, newcomer: Newcomer) -> None:
        """Aborts it; likewise."""
        self.ironic.wait_state(newcomer.name, "inspect wait", PATIENCE)
        self.watch.leave([newcomer.mac])
        newcomer.asked = self.ironic.abort(newcomer.name, wait=False)
        newcomer.asked = time.monotonic() - (time.time() - newcomer.asked)

    # --- what the filter does

    def wait_open(self, *macs: str) -> None:
        """Until these are let through; from then on they have to be."""
        self._wait(lambda state: all(state.allows(mac) for mac in macs), macs)
        self.watch.require(macs)

    def wait_shut(self, *macs: str) -> None:
        self._wait(lambda state: not any(state.allows(mac) for mac in macs), macs)
        self.watch.forbid(macs)

    def wait_known(self, mac: str) -> None:
        """Until there is a rule: also unknown machines are let through."""
        self._wait(lambda state: mac in state.rules, (mac,))

    def opened(self, newcomer: Newcomer) -> float:
        """Seconds from the request to Ironic until it is let through."""
        self.wait_open(newcomer.mac)
        return time.monotonic() - newcomer.asked

    def shut(self, newcomer: Newcomer) -> float:
        self.wait_shut(newcomer.mac)
        return time.monotonic() - newcomer.asked

    def _wait(self, holds: Callable[[Any], bool], macs: tuple[str, ...]) -> None:
        held = wait_for(lambda: holds(self.watch.now()), PATIENCE, 0.002)
        assert held, f"{macs}\n{self.controller.log()[-6000:]}"

    def news_by_any_means(self) -> float:
        """One inspection begins and ends; seconds until either was in force."""
        newcomer = self.begin()
        took = self.opened(newcomer)
        self.end(newcomer)
        return max(took, self.shut(newcomer))

    def news_by_notification(self) -> tuple[float, float]:
        """The same, which no poll may have found."""
        self.wait_quiet()
        with self.no_poll():
            newcomer = self.begin()
            opened = self.opened(newcomer)
            self.end(newcomer)
            return opened, self.shut(newcomer)

    @contextlib.contextmanager
    def no_poll(self) -> Iterator[None]:
        since = self.proxy.served
        yield
        assert not self.polls(since), self.proxy.targets(since)

    # --- what the controller does, and says of it

    def polls(self, since: int = 0) -> list[str]:
        return [target for target in self.proxy.targets(since) if POLL.search(target)]

    def wait_polled(self, times: int) -> None:
        """Until so many polls have begun from now on."""
        since = self.proxy.served
        polled = wait_for(lambda: len(self.polls(since)) >= 2 * times, PATIENCE)
        assert polled, self.controller.log()[-6000:]

    def wait_quiet(self) -> None:
        """Until all that is known was looked at, and Ironic is let alone."""
        served, since = self.proxy.served, time.monotonic()

        def quiet() -> bool:
            nonlocal served, since
            if self.proxy.served != served:
                served, since = self.proxy.served, time.monotonic()
            return time.monotonic() - since > 2 * POLL_INTERVAL

        assert wait_for(quiet, PATIENCE, 0.1), self.proxy.targets(served - 20)
        status = self.status()
        assert status["sync"]["polls_every"] == SYNC_PERIOD, status["sync"]

    def status(self) -> dict[str, Any]:
        """Whatever becomes of the bus, the filter is in step with Ironic."""
        status = self.controller.status()
        assert status is not None and status["healthy"], status
        return status

    def bus(self) -> dict[str, Any]:
        return self.status()["notifications"]

    def text(self) -> str:
        """What `pxegate status` prints, which ends well."""
        done = self.controller.cli("status")
        return done.stdout

    def wait_lost(self, why: str = "") -> float:
        """Until that is noticed, and told; seconds."""
        since = time.monotonic()

        def lost() -> bool:
            bus = self.bus()
            told = not why or re.search(why, bus["last_error"] or "") is not None
            return not bus["connected"] and told

        assert wait_for(lost, PATIENCE, 0.05), f"{self.bus()}\n{self.controller.log()[-6000:]}"
        return time.monotonic() - since

    def wait_connected(self) -> float:
        since = time.monotonic()
        found = wait_for(lambda: self.bus()["connected"], PATIENCE, 0.05)
        assert found, f"{self.bus()}\n{self.controller.log()[-6000:]}"
        return time.monotonic() - since

    def check_degraded(self, why: str = "") -> str:
        """That it is told in every way; returns the sentence."""
        status = self.status()
        (said,) = status["degraded"]
        assert re.search(r"no notifications from amqp://127\.0\.0\.2:5672/%2F since", said)
        assert re.search(why, said), said
        assert re.search(r"Ironic is polled every \S+ s instead", said), said
        assert status["notifications"]["lost_since_age"] >= 0
        self.check_polled("notifications are lost", status["sync"])
        text = self.text()
        assert "degraded" in text and "LOST since" in text, text
        assert "secret-of" not in text
        return said

    def check_polled(self, why: str | None, sync: dict[str, Any]) -> None:
        """That polls go on as without a broker; an Ironic that is busy is asked a little
        less often."""
        if sync["polls_every_why"] != why:
            assert re.search(r"a poll takes Ironic", sync["polls_every_why"] or ""), sync
        else:
            assert sync["polls_every"] <= 5 * POLL_INTERVAL, sync
        assert sync["polls_every"] < SYNC_PERIOD, sync

    def reload(self, sections: Sections) -> None:
        self.controller.reload(sections)

        def in_step() -> bool:
            status = self.controller.status()
            return bool(status and status["healthy"])

        assert wait_for(in_step, PATIENCE), self.controller.log()[-6000:]

    def check_listening(self) -> None:
        status = self.status()
        assert status["degraded"] == [] and status["problems"] == []
        assert status["notifications"]["connected"], status["notifications"]
        assert "degraded" not in self.text()

    # --- one fault

    @contextlib.contextmanager
    def looked_at(self, what: str, known: bool = True) -> Iterator[Seen]:
        """Has the watch look on; a row of the table is made. `known`: who is denied
        and who is not, the filter knows already."""
        seen = Seen(what)
        self.watch.wrong.clear()
        if known:
            self.watch.forbid(self.denied())
            self.watch.require([self.lab.mac(OPEN)])
        looks = self.watch.looks
        yield seen
        assert not self.watch.wrong, f"{self.watch.wrong}\n{self.controller.log()}"
        assert self.watch.looks > looks
        assert "secret-of" not in self.controller.log()
        self.table.append(seen)


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(lab.namespace("spine"), Ironic.API))
        controller = stack.enter_context(Controller(lab))
        controller.set_defaults(
            {
                "ironic": {"endpoint_override": proxy.url},
                # What it tells would be told by no notification.
                "inspector": {"endpoint_override": ""},
                "pxe_filter": {"poll_interval": POLL_INTERVAL, "sync_period": SYNC_PERIOD},
                # Few buckets are quickly looked at.
                "xdp": {"max_clients": 1024},
            }
        )
        controller.configure(sections())
        made = World(lab, proxy, controller)
        controller.start_synced()
        made.watch = stack.enter_context(PolicyWatch(lab.pin_path / "maps"))
        yield made
        print_table(made)


def print_table(world: World) -> None:
    print("\n\n| fault | wrong verdicts | caught up after | `status` said |")
    print("| --- | --- | --- | --- |")
    for row in world.table:
        said = row.said.replace("amqp://127.0.0.2:5672/%2F: ", "")
        said = re.sub(r" from amqp://\S+ since [^:;]*", "", said)
        said = re.sub(r'"pxegate\.[^"]*"', '"pxegate.…"', said)
        print(f"| {row.what} | {row.wrong} | {row.caught_up} | {said} |")
    watch = world.watch
    print(f"\n{watch.looks} looks at the maps, {watch.longest_gap * 1000:.0f} ms apart at most")


# --- What notifications are good for -----------------------------------------------


def test_an_exchange_that_is_not_there_yet(world: World) -> None:
    """Ironic makes it with its first notification."""
    with world.looked_at("an exchange that Ironic has yet to make", known=False) as seen:
        missing = wait_for(lambda: world.bus()["exchange_missing"], PATIENCE)
        assert missing, world.bus()
        seen.said = world.check_degraded()
        assert "the exchange does not exist" in world.text()
        world.wait_polled(2)
        world.enroll()
        world.wait_connected()
        seen.caught_up = "polled meanwhile"
    world.controller.cli("sync", "--timeout", str(PATIENCE))
    world.wait_open(world.lab.mac(OPEN))
    world.wait_shut(*world.denied())
    assert world.polls()
    world.check_listening()


def test_an_inspection_is_told_by_a_notification(world: World) -> None:
    with world.looked_at("no fault: inspections begin and end") as seen:
        took = [world.news_by_notification() for _ in range(2)]
        opened, shut = (max(each) for each in zip(*took))
        seen.caught_up = f"{opened * 1000:.0f} ms to open, {shut * 1000:.0f} ms to shut"
        world.check_listening()
        seen.said = "healthy"


def test_ports_are_told_by_notifications(world: World) -> None:
    with world.looked_at("no fault: ports are made") as seen:
        newcomer = world.begin()
        world.wait_open(newcomer.mac)
        world.ironic.wait_state(newcomer.name, "inspect wait")
        world.wait_quiet()
        with world.no_poll():
            # Of a denied node: an unknown machine is let through until it is known.
            late = "52:54:00:0f:01:01"
            assert world.watch.now().allows(late)
            asked = time.monotonic()
            world.ironic.add_port(DENIED[0], late)
            world.wait_shut(late)
            shut = time.monotonic() - asked
            # Of a node that nobody has told of before, which is not inspected.
            stranger = "52:54:00:0f:01:02"
            world.ironic.enroll("late-1", [stranger], "manageable")
            world.wait_shut(stranger)
            # And which is.
            inspected = "52:54:00:0f:01:03"
            world.ironic.enroll("late-2", [inspected], "inspect wait")
            world.wait_known(inspected)
            world.wait_open(inspected)
            # One more of a node that is being inspected; unknown machines say nothing.
            more = "52:54:00:0f:01:04"
            world.ironic.add_port(newcomer.name, more)
            world.wait_known(more)
            world.wait_open(more)
            world.watch.leave([more])
            world.end(newcomer)
            world.wait_shut(newcomer.mac, more)
            world.watch.leave([inspected])
            world.ironic.abort("late-2")
            world.wait_shut(inspected)
        seen.caught_up = f"{shut * 1000:.0f} ms to shut"
        seen.said = "healthy"


# --- What somebody else can do with the bus ----------------------------------------


def test_what_is_made_up_opens_nothing(world: World) -> None:
    """Claims in Ironic's own words."""
    nodes, mac = world.nodes, world.lab.mac
    with world.looked_at("forged claims, in Ironic's words") as seen, Stranger(
        world.lab
    ) as stranger:
        world.wait_quiet()
        before, since = world.bus()["received"], world.proxy.served
        claims = 0
        for host in DENIED:
            for event, state in (
                ("node.provision_set.start", "inspecting"),
                ("node.provision_set.success", "inspect wait"),
                ("node.update.end", "inspecting"),
                ("node.create.end", "inspect wait"),
            ):
                stranger.claim(
                    event,
                    uuid=nodes[host],
                    provision_state=state,
                    inspect_interface="inspector",
                    driver_internal_info={"inspector_manage_boot": True},
                )
                claims += 1
            # That its port is one of the node that is being inspected.
            for event in ("port.create.end", "port.update.end"):
                stranger.claim(
                    event, uuid=str(uuid.uuid4()), node_uuid=nodes[OPEN], address=mac(host)
                )
                claims += 1
            stranger.claim("node.delete.end", uuid=nodes[host], provision_state="available")
            stranger.claim("port.delete.end", uuid=nodes[host], node_uuid=nodes[host])
            claims += 2
        # And that the one that is being inspected is not, or is gone.
        stranger.claim("node.provision_set.end", uuid=nodes[OPEN], provision_state="manageable")
        stranger.claim("node.delete.end", uuid=nodes[OPEN], provision_state="inspect wait")
        claims += 2
        read = wait_for(lambda: world.bus()["received"] >= before + claims, PATIENCE)
        assert read, world.bus()
        world.wait_quiet()
        asked = [t for t in world.proxy.targets(since) if LOOK.search(t)]
        # They were heard, and Ironic was asked.
        assert any(nodes[DENIED[0]] in target for target in asked), asked
        assert any(nodes[OPEN] in target for target in asked), asked
        world.check_listening()
        opened, _ = world.news_by_notification()
        seen.caught_up = f"{opened * 1000:.0f} ms, meanwhile"
        seen.said = "healthy"


JUNK = {
    "nothing": b"",
    "5 MB of x": b"x" * (5 << 20),
    "5 MB of JSON": b'{"a": [' + b"1," * (5 << 19) + b"1]}",
    "no JSON": b"{",
    "no object": b"[]",
    "zeroes": b"\0" * 1000,
    "not UTF-8": b'{"event_type": "\xff\xfe"}',
    "nested deeply": b"[" * 100_000,
    "objects nested deeply": b'{"payload":' * 50_000,
    "an envelope of another version": b'{"oslo.version": "9.0", "oslo.message": "{}"}',
    "an envelope of nothing": b'{"oslo.version": "2.0"}',
    "numbers for texts": b'{"event_type": 1, "payload": {"ironic_object.data": {}}}',
    "a path for a UUID": b'{"event_type": "baremetal.node.update.end", "payload": '
    b'{"ironic_object.data": {"uuid": "../ports?x=", "provision_state": "inspecting"}}}',
    "a state of 500 KB": b'{"event_type": "baremetal.node.update.end", "payload": '
    b'{"ironic_object.data": {"uuid": "UUID", "provision_state": "'
    + b"inspecting" * 50_000
    + b'"}}}',
}


def test_junk_changes_nothing(world: World) -> None:
    with world.looked_at(
        "junk: 5 MB, cut off, nested 100,000 times, of wrong types"
    ) as seen, Stranger(world.lab) as stranger:
        before = world.bus()
        own = world.nodes[DENIED[0]].encode()
        for body in JUNK.values():
            stranger.say(body.replace(b"UUID", own))

        def read() -> bool:
            return world.bus()["received"] >= before["received"] + len(JUNK)

        assert wait_for(read, PATIENCE), world.bus()
        after = world.bus()
        assert after["malformed"] - before["malformed"] == len(JUNK)
        assert after["connected_since"] == before["connected_since"]
        said = re.search(r"\d+ of \d+ messages were not what Ironic sends", world.text())
        assert said is not None, world.text()
        world.check_listening()
        opened, _ = world.news_by_notification()
        seen.caught_up = f"{opened * 1000:.0f} ms, meanwhile"
        seen.said = f"healthy; {said.group()}"


def test_a_burst_of_claims_costs_ironic_little(world: World) -> None:
    burst = 5000
    with world.looked_at(f"{burst} forged claims in a burst") as seen, Stranger(
        world.lab
    ) as stranger:
        world.wait_quiet()
        before, since, began = world.bus()["received"], world.proxy.served, time.monotonic()
        real = [world.nodes[host] for host in DENIED]
        for i in range(burst):
            node = real[i % len(real)] if i % 2 else str(uuid.uuid4())
            if i % 3:
                stranger.claim(
                    "node.provision_set.start", uuid=node, provision_state="inspecting"
                )
            else:
                stranger.claim("port.create.end", uuid=str(uuid.uuid4()), node_uuid=node)
            if i == burst // 2:
                newcomer = world.begin()
        opened = world.opened(newcomer)
        read = wait_for(lambda: world.bus()["received"] >= before + burst, PATIENCE)
        assert read, world.bus()
        taken = time.monotonic() - began
        world.wait_quiet()
        lasted = time.monotonic() - began
        looks = [t for t in world.proxy.targets(since) if LOOK.search(t)]
        polls = world.polls(since)
        # Each may ask for the node, and for its ports.
        assert len(looks) <= 2 * (LOOKS_AT_ONCE + LOOKS_PER_SECOND * (taken + 1)), len(looks)
        # Two requests, half a second apart.
        assert len(polls) <= 2 * (2 * lasted + 2), len(polls)
        cost = world.proxy.served - since
        world.check_listening()
        world.end(newcomer)
        world.wait_shut(newcomer.mac)
        seen.caught_up = f"{opened * 1000:.0f} ms, meanwhile; it cost {cost} requests"
        seen.said = "healthy"


# --- What becomes of the bus -------------------------------------------------------


def queue_of(world: World) -> str:
    names = world.lab.rabbitmqctl("list_queues", "name", "--no-table-headers").split()
    (queue,) = [name for name in names if name.startswith("pxegate.")]
    return queue


def test_a_queue_that_is_deleted(world: World) -> None:
    with world.looked_at("the queue deleted") as seen:
        world.wait_quiet()
        queue = queue_of(world)
        with ThreadPoolExecutor(1) as pool:
            # An inspection in the moment that nobody listens.
            deleted = pool.submit(world.lab.rabbitmqctl, "delete_queue", queue)
            newcomer = world.begin()
            world.wait_open(newcomer.mac)
            deleted.result()

        def anew() -> bool:
            bus = world.bus()
            return bus["connected"] and "was deleted" in (bus["last_error"] or "")

        assert wait_for(anew, PATIENCE, 0.02), world.bus()
        assert queue_of(world) != queue
        seen.said = world.bus()["last_error"]
        world.end(newcomer)
        world.wait_shut(newcomer.mac)
        opened, _ = world.news_by_notification()
        seen.caught_up = f"{opened * 1000:.0f} ms"
        world.check_listening()


def recover(world: World, seen: Seen, opens: Newcomer) -> None:
    """After a fault: the inspection that began meanwhile ends; who listens again hears."""
    since = time.monotonic()
    world.end(opens)
    world.wait_shut(opens.mac)

    def hears() -> bool:
        """A broker that was restarted has no exchange until Ironic sends something,
        and that may get lost in connections that are no more."""
        for power in ("power on", "power off"):
            path = f"/v1/nodes/{world.nodes[DENIED[1]]}/states/power"
            world.ironic.request("PUT", path, {"target": power})
        bus = world.bus()
        return bus["connected"] and bus["received"] > heard

    heard = world.bus()["received"]
    assert wait_for(hears, 2 * PATIENCE, 0.5), world.bus()
    seen.caught_up = f"polled meanwhile; told again after {time.monotonic() - since:.1f} s"
    world.news_by_notification()
    world.check_listening()


@contextlib.contextmanager
def shut_off(world: World) -> Iterator[None]:
    """Packets to and from the broker's address are lost, without a word to anybody."""

    def nft(*command: str) -> None:
        world.lab.exec("spine", ["nft", *command])

    nft("add table ip away")
    nft("add chain ip away in { type filter hook input priority 0; }")
    for end in ("saddr", "daddr"):
        nft(f"add rule ip away in ip {end} {BROKER.partition(':')[0]} drop")
    try:
        yield
    finally:
        nft("delete table ip away")


def test_a_broker_that_cannot_be_reached_any_more(world: World) -> None:
    with world.looked_at("the way to the broker cut, no RST") as seen:
        world.wait_quiet()
        with shut_off(world):
            noticed = world.wait_lost()
            world.wait_polled(2)
            newcomer = world.begin()
            world.wait_open(newcomer.mac)
            seen.said = f"after {noticed:.1f} s: {world.check_degraded('heartbeat|connect')}"
        recover(world, seen, newcomer)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_broker_that_is_restarted(world: World, how: str) -> None:
    what = {"stop": "RabbitMQ stopped and started", "kill": "RabbitMQ killed (-9)"}[how]
    with world.looked_at(what) as seen:
        world.wait_quiet()
        world.lab.service("rabbitmq", how)
        try:
            world.wait_lost("Connection refused")
            world.wait_polled(2)
            newcomer = world.begin()
            world.wait_open(newcomer.mac)
            seen.said = world.check_degraded("Connection refused")
        finally:
            world.lab.service("rabbitmq", "start")
        recover(world, seen, newcomer)


# --- What it is told, and may do ---------------------------------------------------


def refused(world: World, what: str, says: str, default: dict[str, str]) -> None:
    with world.looked_at(what) as seen:
        world.reload(sections(**default))
        world.wait_lost(says)
        world.wait_polled(2)
        seen.said = world.check_degraded(says)
        took = world.news_by_any_means()
        seen.caught_up = f"{took:.1f} s, polled"


def test_a_wrong_password(world: World) -> None:
    url = transport_url(password="wrong")
    says = "refuses the user, the password or the virtual host of transport_url"
    refused(world, "a wrong password", says, {"transport_url": url})


def test_an_exchange_that_nobody_makes(world: World) -> None:
    with world.looked_at("an exchange of another name") as seen:
        world.reload(sections(control_exchange="pxegate-nobody"))
        assert wait_for(lambda: world.bus()["exchange_missing"], PATIENCE), world.bus()
        world.wait_polled(2)
        seen.said = world.check_degraded("the exchange does not exist")
        assert "the exchange does not exist" in world.text()
        took = world.news_by_any_means()
        seen.caught_up = f"{took:.1f} s, polled"


def test_a_user_who_may_not_read_the_exchange(world: World) -> None:
    def permit(read: str) -> None:
        world.lab.rabbitmqctl(
            "set_permissions", "-p", "/", "pxegate", "^pxegate", "^pxegate", read
        )

    permit("^pxegate")
    try:
        refused(
            world,
            "no permission to read the exchange",
            r"ACCESS_REFUSED.*rabbitmqctl set_permissions",
            {},
        )
    finally:
        permit("^(pxegate.*|ironic)$")
    world.wait_connected()


def test_without_a_broker_nothing_is_amiss(world: World) -> None:
    with world.looked_at("no broker configured") as seen:
        world.reload({})
        assert wait_for(lambda: world.status()["notifications"] is None, PATIENCE)
        world.wait_polled(2)
        status = world.status()
        assert status["degraded"] == [] and status["problems"] == []
        world.check_polled(None, status["sync"])
        text = world.text()
        assert "notification" not in text and "degraded" not in text, text
        took = world.news_by_any_means()
        seen.caught_up = f"{took:.1f} s, polled"
        seen.said = "healthy"
    world.reload(sections())
    world.wait_connected()


# --- The older form ----------------------------------------------------------------


@pytest.mark.parametrize("driver", ["messagingv2", "messaging"])
def test_either_envelope_will_do(world: World, driver: str) -> None:
    """[oslo_messaging_notifications] driver: with an envelope, and without."""
    config = world.lab.state_dir / "ironic" / "ironic.conf"
    text = config.read_text(encoding="utf-8")
    if f"driver = {driver}\n" not in text:
        text = re.sub(r"(?m)^driver = messaging\w*$", f"driver = {driver}", text)
        config.write_text(text, encoding="utf-8")
        for service in ("ironic-conductor", "ironic-api"):
            world.lab.service(service, "restart")
    with world.looked_at(f"Ironic's notifications by `{driver}`") as seen:
        world.news_by_any_means()
        with Stranger(world.lab) as stranger, stranger.listening() as ear:
            opened, _ = world.news_by_notification()
            assert ("oslo.version" in ear.next(PATIENCE)) == (driver == "messagingv2")
        seen.caught_up = f"{opened * 1000:.0f} ms"
        seen.said = "healthy"
