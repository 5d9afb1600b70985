# SPDX-License-Identifier: Apache-2.0
"""A DHCP server that reads raw sockets, as Kea does by default, gets each frame of
its interface before nftables and iptables do: only a filter at the NIC protects it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from conformance import NETWORKS
from conformance_play import sections
from lab import Lab, wait_for
from probe import Probe
from subject import PATIENCE, Controller, FakeIronic

DHCP_SERVER = "kea"
INSPECTED, DENIED = 1, 2
# Where denied machines stay out. The server's socket on the VLAN's interface comes
# after nftables' hook on the NIC beneath.
PROTECTS = {"xdp": list(NETWORKS), "nftables": ["VLAN"], "iptables": []}
ENOUGH = 15  # requests of a machine, before its silence counts


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        for number, state in ((INSPECTED, "inspect wait"), (DENIED, "active")):
            for host in hosts(number).values():
                ironic.add(host, lab.mac(host), state=state)
        yield ironic


def hosts(number: int) -> dict[str, str]:
    return {network: pattern.format(number) for network, pattern in NETWORKS.items()}


def answered(lab: Lab, number: int) -> dict[str, bool]:
    with contextlib.ExitStack() as stack:
        probes = {
            network: stack.enter_context(Probe(lab, host))
            for network, host in hosts(number).items()
        }
        assert wait_for(
            lambda: all(len(p.requests) >= ENOUGH for p in probes.values()), PATIENCE
        )
        for probe in probes.values():
            probe.stop()
    return {network: bool(probe.answered()) for network, probe in probes.items()}


@pytest.mark.parametrize("driver", PROTECTS)
def test_only_a_filter_at_the_nic_protects_a_server_on_raw_sockets(
    lab: Lab, ironic: FakeIronic, driver: str
) -> None:
    controller = Controller(lab)
    controller.set_defaults(sections(lab, ironic, driver))
    controller.configure({})
    with controller:
        controller.start_synced()
        try:
            assert answered(lab, INSPECTED) == dict.fromkeys(NETWORKS, True)
            assert answered(lab, DENIED) == {
                network: network not in PROTECTS[driver] for network in NETWORKS
            }
            notices = " ".join(controller.status()["driver"]["notices"])
            assert ("Kea" in notices) == (driver != "xdp"), notices
        finally:
            controller.cli("teardown")
