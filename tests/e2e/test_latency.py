# SPDX-License-Identifier: Apache-2.0
"""How soon a machine is let through after somebody asks Ironic to inspect it:
it must be before the machine can ask, which is after Ironic powered it on."""

from __future__ import annotations

import statistics

from lab import Lab, wait_for
from probe import Probe
from subject import PATIENCE, Controller

WITH_IRONIC = True

POLL_INTERVAL = 2
# What a poll itself may take: two requests, and Ironic is slow to answer while
# it is busy with the inspection.
SLACK = 0.5


def test_the_filter_opens_before_the_machine_can_ask(lab: Lab) -> None:
    # A node each: Ironic would take the end of one inspection for the end of the
    # next, now and then. The probes run on three networks.
    hosts = lab.nodes[:10]
    for host in hosts:
        lab.ironic.enroll(f"node-{host}", [lab.mac(host)], "manageable")
    opened: list[float] = []
    powered: list[float] = []
    with Controller(lab, {"pxe_filter": {"poll_interval": POLL_INTERVAL}}) as controller:
        controller.start_synced()
        controller.wait_enforced({lab.mac(host): "deny" for host in hosts})
        for host in hosts:
            with Probe(lab, host) as probe:
                asked = lab.ironic.inspect(f"node-{host}", wait=False)
                on = lab.ironic.wait_power_on(f"node-{host}", asked)
                assert wait_for(lambda: bool(probe.answered()), PATIENCE), host
            first = probe.first_answered_since(0)
            assert first >= asked, f"{host} was let through before it was to be inspected"
            opened.append(first - asked)
            powered.append(on - asked)
    late = [a - b for a, b in zip(opened, powered)]
    middle = statistics.median
    print(
        f"\nfrom the API call to the open filter: median {middle(opened):.2f} s, "
        f"worst {max(opened):.2f} s; to power-on: median {middle(powered):.2f} s; "
        f"open after power-on: worst {max(late):+.2f} s "
        f"({len(hosts)} inspections, poll_interval {POLL_INTERVAL})"
    )
    assert max(late) <= POLL_INTERVAL + SLACK, late
