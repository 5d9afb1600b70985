# SPDX-License-Identifier: Apache-2.0
"""Which machine is answered: every kind of machine on every kind of network,
asked for by a real DHCP client, decided on by a real Ironic.

Each test says what Ironic is to know and how the controller is configured,
gets there from wherever the test before it ended, and then compares, for all
machines at once, what each got, what the DHCP server heard of it, and how the
commands explain that.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from lab import IronicError, Lab, wait_for
from probe import discover
from subject import PATIENCE, Controller, Sections, count

WITH_IRONIC = True

# The machines of each kind: one on the flat network, one behind each relay.
INSPECTED = ["flat1", "leaf1n1", "leaf2n1"]
ACTIVE = ["flat2", "leaf1n2", "leaf2n2"]
IDLE = {"flat3": "available", "leaf1n3": "manageable", "leaf2n3": "available"}
STRANGERS = ["flat4", "leaf1n4", "leaf2n4"]
REMOVED = ["flat5", "leaf1n5", "leaf2n5"]


# An inspected node is known as such from two sides, and either will do.
INSPECTION = ("being_inspected", "introspected")


@dataclass(frozen=True)
class Expected:
    """What becomes of a machine's request, and the rule that says so."""

    answered: bool
    rule: str | tuple[str, ...]  # or one of several
    state: str | None = None  # in Ironic; None: not in Ironic

    @property
    def verdict(self) -> str:
        return "allow" if self.answered else "deny"

    @property
    def reason(self) -> str:
        """What the kernel tells of it: it knows rules, not why they exist."""
        return "rule" if self.state else "unknown"


class World:
    """A controller and what Ironic knows."""

    def __init__(self, lab: Lab, controller: Controller) -> None:
        self.lab = lab
        self.ironic = lab.ironic
        self.controller = controller
        self.uuids: dict[str, str] = {}

    def enroll(self) -> None:
        states = {host: "manageable" for host in INSPECTED}
        states |= {host: "active" for host in [*ACTIVE, *REMOVED]}
        states |= IDLE

        def enroll(host: str) -> str:
            macs = [self.lab.mac(host)]
            return self.ironic.enroll(f"node-{host}", macs, states[host])

        with ThreadPoolExecutor(4) as pool:
            self.uuids = dict(zip(states, pool.map(enroll, states)))

    def inspect(self, hosts: Iterable[str] = INSPECTED) -> None:
        """Has these machines, and no others, in inspection."""
        hosts = list(hosts)
        for_each(self._inspect_one, hosts)
        for_each(self.end_inspection, [host for host in INSPECTED if host not in hosts])

    def _inspect_one(self, host: str) -> None:
        uuid = self.uuids[host]

        def decided() -> bool:
            state = self.state(host)
            return state in ("inspect failed", "manageable") or (
                state == "inspect wait" and self.introspection(host) == "waiting"
            )

        for _ in range(5):
            if self.state(host) != "inspect wait":
                self.ironic.set_state(uuid, "inspect")
            assert wait_for(decided, PATIENCE, 0.2), self.ironic.node(uuid)
            if self.state(host) == "inspect wait":
                return
            # Ironic looked at inspector's verdict on the inspection before.
            self.end_inspection(host)
        pytest.fail(f"{host} cannot be inspected: {self.ironic.node(uuid)['last_error']}")

    def end_inspection(self, host: str) -> None:
        uuid = self.uuids[host]
        if self.state(host) == "inspect wait":
            try:
                self.ironic.abort(uuid)
            except IronicError:
                # Just now it took inspector's verdict on the inspection before for
                # the one on this.
                if self.state(host) not in ("inspect failed", "manageable"):
                    raise
        assert wait_for(
            lambda: self.introspection(host) in (None, "waiting", "finished", "error"),
            PATIENCE,
        )
        if self.introspection(host) == "waiting":
            path = f"/v1/introspection/{uuid}/abort"
            self.ironic.request("POST", path, server=self.ironic.INSPECTOR)
            assert wait_for(lambda: self.introspection(host) == "error", PATIENCE)

    def introspection(self, host: str) -> str | None:
        """Its state in ironic-inspector."""
        for found in self.ironic.introspections():
            if found["uuid"] == self.uuids[host]:
                return found["state"]
        return None

    def state(self, host: str) -> str:
        return self.ironic.state(self.uuids[host])

    def configure(self, **pxe_filter: object) -> None:
        self.configure_all({"pxe_filter": pxe_filter})

    def configure_all(self, sections: Sections) -> None:
        self.controller.reload(sections, says="SIGHUP: configuration read again")

    def in_ironic(
        self, hosts: Iterable[str], answered: bool, rule: str | tuple[str, ...]
    ) -> dict[str, Expected]:
        return {host: Expected(answered, rule, self.state(host)) for host in hosts}

    def inspected(self, hosts: Iterable[str] = INSPECTED) -> dict[str, Expected]:
        return self.in_ironic(hosts, True, INSPECTION)

    def expect(self, expected: dict[str, Expected]) -> None:
        """Waits until the controller has noticed, lets all these machines ask, and
        compares."""
        self.settle(expected)
        heard = {host: self.lab.requests_heard(host) for host in expected}
        before = self.clients()
        answers = self.lab.ask_many(expected)
        after = self.clients()
        for host, one in expected.items():
            what = f"{host}, which is {one}"
            if one.answered:
                assert answers[host] is not None, f"{what}, was not answered"
                assert self.lab.requests_heard(host) > heard[host], what
            else:
                assert answers[host] is None, f"{what}, was answered"
                assert self.lab.requests_heard(host) == heard[host], (
                    f"{what}, reached the DHCP server"
                )
            mac = self.lab.mac(host)
            assert mac in after, f"{what}, is not among the clients"
            self.check_client(after[mac], before.get(mac), host, one)
            self.check_policy(self.controller.json("policy", mac), host, one)

    def settle(self, expected: dict[str, Expected]) -> None:
        def wrong() -> dict[str, tuple[str, str]]:
            found = {
                host: self.controller.api(f"/v1/policy?address={self.lab.mac(host)}")
                for host in expected
            }
            return {
                host: (policy["verdict"], policy["rule"])
                for host, policy in found.items()
                if policy["verdict"] != expected[host].verdict
                or not explains(policy["rule"], expected[host])
                or (policy["node"] or {}).get("provision_state") != expected[host].state
            }

        assert wait_for(lambda: not wrong(), PATIENCE, 0.1), (wrong(), expected)

    def clients(self) -> dict[str, dict]:
        found = self.controller.json("clients")
        return {client["address"]: client for client in found["clients"]}

    def check_client(
        self, client: dict, before: dict | None, host: str, expected: Expected
    ) -> None:
        seen = {name: client[name] for name in ("verdict", "reason", "relay", "interface")}
        assert seen == {
            "verdict": expected.verdict,
            "reason": expected.reason,
            "relay": self.lab.relay(host),
            "interface": "prov0",
        }, f"{host}, which is {expected}"
        assert client["count"] > (before["count"] if before else 0)
        assert client["age"] < 60
        assert client["architecture"] is not None  # udhcpc -V PXEClient:Arch:00000
        name = f"node-{host}" if expected.state else None
        assert (client["node"] or {}).get("name") == name

    def check_policy(self, policy: dict, host: str, expected: Expected) -> None:
        what = f"{host}, which is {expected}: {policy}"
        assert policy["verdict"] == expected.verdict, what
        assert explains(policy["rule"], expected), what
        assert policy["reason"], what
        assert policy["known"] == (expected.state is not None), what
        assert policy["last_request"]["verdict"] == expected.verdict, what
        if expected.state is None:
            assert policy["node"] is None, what
            return
        assert policy["node"]["name"] == f"node-{host}", what
        assert policy["node"]["uuid"] == self.uuids[host], what
        assert policy["node"]["provision_state"] == expected.state, what

    def idle(self) -> dict[str, Expected]:
        """What holds for those in Ironic that nobody ever inspects."""
        return self.in_ironic([*ACTIVE, *IDLE], False, "not_inspected")


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    with Controller(lab) as controller:
        # What a node that is not inspected does is only listed now and then.
        controller.set_defaults({"pxe_filter": {"sync_period": 2}})
        controller.configure({})
        world = World(lab, controller)
        # Empty until it is synced: nobody is to be answered then either.
        controller.start()
        world.enroll()
        controller.wait_synced()
        yield world


def explains(rule: str, expected: Expected) -> bool:
    if isinstance(expected.rule, tuple):
        return rule in expected.rule
    return rule == expected.rule


def strangers(answered: bool, rule: str) -> dict[str, Expected]:
    return {host: Expected(answered, rule) for host in STRANGERS}


def for_each(function, items: Iterable) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(function, items))


def test_nobody_is_answered_while_nothing_is_inspected(world: World) -> None:
    world.configure()
    world.inspect([])
    world.expect(
        world.idle()
        | world.in_ironic([*INSPECTED, *REMOVED], False, "not_inspected")
        | strangers(False, "unknown_idle")
    )


def test_inspected_and_unknown_machines_are_answered(world: World) -> None:
    world.configure()
    world.inspect()
    inspected = world.inspected()
    assert {one.state for one in inspected.values()} == {"inspect wait"}
    world.expect(
        world.idle()
        | inspected
        | world.in_ironic(REMOVED, False, "not_inspected")
        | strangers(True, "unknown_inspection")
    )


@pytest.mark.parametrize("host", INSPECTED)
def test_one_inspected_machine_opens_no_other(world: World, host: str) -> None:
    world.configure(deny_unknown_macs=True)
    world.inspect([host])
    others = [other for other in INSPECTED if other != host]
    world.expect(
        world.inspected([host])
        | world.in_ironic(others, False, "not_inspected")
        | strangers(False, "unknown_denied")
    )


def test_a_machine_whose_inspection_is_aborted_is_closed_until_the_next(
    world: World,
) -> None:
    world.configure()
    world.inspect([])
    world.inspect()
    for_each(world.end_inspection, INSPECTED)
    aborted = world.in_ironic(INSPECTED, False, "not_inspected")
    assert {one.state for one in aborted.values()} == {"inspect failed"}
    world.expect(aborted | strangers(False, "unknown_idle"))

    world.inspect()
    world.expect(world.inspected())


def test_a_machine_that_was_inspected_is_closed_until_the_next_time(world: World) -> None:
    world.configure()
    world.inspect()
    for_each(world.ironic.finish_inspection, [world.uuids[host] for host in INSPECTED])
    finished = world.in_ironic(INSPECTED, False, "not_inspected")
    assert {one.state for one in finished.values()} == {"manageable"}
    world.expect(finished | strangers(False, "unknown_idle"))

    world.inspect()
    world.expect(world.inspected())


def test_unknown_machines_are_denied_where_that_is_asked_for(world: World) -> None:
    world.configure(deny_unknown_macs=True)
    world.inspect()
    world.expect(
        world.inspected()
        | strangers(False, "unknown_denied")
    )


@pytest.mark.parametrize(
    "discovery",
    [
        {"auto_discovery": {"enabled": True}},
        {"processing": {"node_not_found_hook": "enroll"}},
    ],
    ids=["auto_discovery", "node_not_found_hook"],
)
def test_discovery_answers_unknown_machines_at_any_time(
    world: World, discovery: Sections
) -> None:
    world.inspect([])
    world.configure_all(discovery)
    world.expect(
        world.idle()
        | world.in_ironic(INSPECTED, False, "not_inspected")
        | strangers(True, "unknown_discovery")
    )


def test_discovery_and_denying_unknown_machines_exclude_each_other(world: World) -> None:
    said = world.controller.reload(
        {"auto_discovery": {"enabled": True}, "pxe_filter": {"deny_unknown_macs": True}}
    )
    assert "deny_unknown_macs" in said and "the configuration in force stays" in said
    checked = world.controller.cli("config", "check", check=False)
    assert checked.returncode == 2
    assert "deny_unknown_macs" in checked.stderr


def test_a_removed_machine_becomes_unknown(world: World) -> None:
    """Removed from Ironic while the controller runs."""
    world.configure()
    world.inspect()
    world.expect(world.inspected() | world.in_ironic(REMOVED, False, "not_inspected"))
    for_each(world.ironic.delete, [world.uuids.pop(host) for host in REMOVED])
    # Not waiting for the periodic list.
    said = world.controller.json("sync")
    assert said["removals"] == 3
    removed = {host: Expected(True, "unknown_inspection") for host in REMOVED}
    world.expect(world.inspected() | removed)

    world.inspect([])
    world.expect({host: Expected(False, "unknown_idle") for host in REMOVED})


@pytest.mark.parametrize("tags", [[], [7], [100, 7]], ids=["untagged", "one", "two"])
def test_tags_hide_no_machine_and_open_none(world: World, tags: list[int]) -> None:
    """Requests with VLAN tags, which the machine's own stack would not send,
    on the fabric segment."""
    world.configure()
    world.inspect(["flat1"])
    world.settle(world.inspected(["flat1"]))
    world.settle(world.in_ironic(["flat2"], False, "not_inspected"))
    # Else the tag would travel beside the frame, where no XDP program sees it.
    world.lab.exec("fabric", ["ethtool", "-K", "to-spine", "txvlan", "off"])
    for host, passes, reason in (
        ("flat1", True, "rule"),
        ("flat2", False, "rule"),
        ("flat4", True, "unknown"),
    ):
        verdict = "allow" if passes else "deny"
        before = count(world.controller.json("clients"), verdict, reason)
        assert passed(world.lab, host, tags) == (5 if passes else 0), (host, tags)
        clients = world.controller.json("clients")
        assert count(clients, verdict, reason) == before + 5
        client = next(c for c in clients["clients"] if c["address"] == world.lab.mac(host))
        assert client["vlans"] == tags
        assert client["verdict"] == verdict


def passed(lab: Lab, host: str, tags: list[int], frames: int = 5) -> int:
    """Sends requests with VLAN tags from a machine; how many pass the filter.

    Seen by a raw socket on the provisioning interface, which comes after the
    filter: the spine has no VLAN interfaces, so that nothing would answer.
    """
    mac = bytes.fromhex(lab.mac(host).replace(":", ""))
    xid = int(time.monotonic() * 1e6) & 0xFFFFFF00
    all_protocols = 0x0003
    with lab.entered("spine"):
        listener = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(all_protocols)
        )
    with lab.entered(host):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with listener, sender:
        listener.bind(("prov0", all_protocols))
        sender.bind(("eth0", 0))
        for i in range(frames):
            frame = discover(mac, xid + i)
            vlan = b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags)
            sender.send(frame[:12] + vlan + frame[12:])
        seen = set()
        listener.settimeout(0.5)
        try:
            while True:
                received = listener.recv(2048)
                for i in range(frames):
                    # op, htype, hlen, hops, xid of a request
                    if b"\x01\x01\x06\x00" + struct.pack("!I", xid + i) in received:
                        seen.add(i)
        except TimeoutError:
            return len(seen)
