# SPDX-License-Identifier: Apache-2.0
"""DHCPv6 with real parts: dhclient asks dnsmasq, directly, on a VLAN, and through
ISC's relay agent, past the filter on the server's interfaces."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import Lab, wait_for
from subject import PATIENCE, Controller, FakeIronic

INSPECTED, DENIED, UNKNOWN = 1, 2, 3
NETWORKS = {"direct": "flat{}", "VLAN": "vlan{}", "relayed": "leaf1n{}"}
SERVER = "fd00:1::1"
RELAY = "fd00:51::1"  # its link-address
PREFIXES = ("fd00:1::", "fd00:7::", "fd00:51::")
ADDRESSES = [
    ("spine", "prov0", f"{SERVER}/64"),
    ("spine", "prov7", "fd00:7::1/64"),
    ("leaf1", "uplink0", "fd00:1::51/64"),
    ("leaf1", "nodes0", f"{RELAY}/64"),
]
# How long a client that gets no answer goes on: three or four SOLICITs
# (RFC 8415 section 7.6: after 1, 2, 4 s).
SECONDS = 6


def host(network: str, number: int) -> str:
    return NETWORKS[network].format(number)


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        for number, state in ((INSPECTED, "inspect wait"), (DENIED, "active")):
            for network in NETWORKS:
                name = host(network, number)
                ironic.add(name, lab.mac(name), state=state)
        yield ironic


@contextlib.contextmanager
def running(lab: Lab, on: str, *argv: str | Path) -> Iterator[None]:
    process = lab.popen(on, argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, f"{argv[0]} ended on its own"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def no_address_is_tentative(lab: Lab) -> bool:
    hosts = {on for on, *_ in ADDRESSES} | set(clients())
    return not any(
        lab.exec(on, ["ip", "-6", "addr", "show", "tentative"]).stdout for on in hosts
    )


def clients() -> list[str]:
    return [host(n, k) for n in NETWORKS for k in (INSPECTED, DENIED, UNKNOWN)]


@pytest.fixture(scope="module")
def server_log(lab: Lab) -> Iterator[Path]:
    """A DHCPv6 server on the spine, a relay agent on leaf1, and IPv6 between."""
    for on in {on for on, *_ in ADDRESSES} | set(clients()):
        lab.exec(on, ["sysctl", "-q", "net.ipv6.conf.all.disable_ipv6=0"])
    for on, interface, address in ADDRESSES:
        lab.exec(on, ["ip", "-6", "addr", "add", address, "dev", interface, "nodad"])
    lab.exec("spine", ["ip", "-6", "route", "add", "fd00:51::/64", "via", "fd00:1::51"])
    lab.exec("leaf1", ["sysctl", "-q", "net.ipv6.conf.all.forwarding=1"])
    assert wait_for(lambda: no_address_is_tentative(lab), PATIENCE)
    log = lab.log_dir / "dnsmasq6.log"
    leases = lab.state_dir / "dnsmasq6.leases"
    ranges = [f"--dhcp-range={p}1000,{p}1fff,64,10m" for p in PREFIXES]
    dnsmasq = [
        *("dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--port=0"),
        *("--bind-interfaces", "--interface=prov0", "--interface=prov7"),
        *("--log-dhcp", f"--log-facility={log}", f"--dhcp-leasefile={leases}"),
        "--pid-file",
        *ranges,
    ]
    relay = ["dhcrelay", "-6", "-d", "--no-pid", "-l", "nodes0"]
    with (
        running(lab, "spine", *dnsmasq),
        running(lab, "leaf1", *relay, "-u", f"{SERVER}%uplink0"),
    ):
        assert wait_for(log.exists, PATIENCE)
        yield log


def gets_a_lease(lab: Lab, client: str, directory: Path) -> bool:
    config, pid = directory / "dhclient.conf", directory / f"{client}.pid"
    config.write_text(f"timeout {SECONDS};\n")
    asked = lab.exec(
        client,
        [
            *("dhclient", "-6", "-1", "-cf", config, "-sf", "/bin/true"),
            *("-lf", directory / f"{client}.leases", "-pf", pid, "eth0"),
        ],
        check=False,
        timeout=PATIENCE + SECONDS,
    )
    assert asked.returncode in (0, 2), asked.stderr
    if asked.returncode == 0:
        # It writes its number only after it has gone to the background.
        assert wait_for(lambda: pid.exists() and pid.read_text().strip(), PATIENCE)
        lab.exec(client, ["kill", pid.read_text().strip()])
    return asked.returncode == 0


def answered(lab: Lab, number: int, directory: Path) -> dict[str, bool]:
    with ThreadPoolExecutor() as pool:
        asked = {
            network: pool.submit(gets_a_lease, lab, host(network, number), directory)
            for network in NETWORKS
        }
        return {network: lease.result() for network, lease in asked.items()}


@pytest.fixture
def controller(lab: Lab, ironic: FakeIronic, request) -> Iterator[Controller]:
    controller = Controller(lab)
    controller.configure(
        {
            "pxe_filter": {"driver": request.param, "poll_interval": 1},
            "ironic": {"endpoint_override": ironic.url},
            "xdp": {"interfaces": "prov0, trunk0", "pin_path": lab.pin_path},
        }
    )
    with controller:
        controller.start_synced()
        try:
            yield controller
        finally:
            controller.cli("teardown")


EVERYWHERE = dict.fromkeys(NETWORKS, True)
NOWHERE = dict.fromkeys(NETWORKS, False)


@pytest.mark.parametrize("controller", ["xdp"], indirect=True)
def test_only_inspected_machines_get_a_lease(
    lab: Lab, controller: Controller, server_log: Path, tmp_path: Path
) -> None:
    before = server_log.read_text()
    assert answered(lab, DENIED, tmp_path) == NOWHERE
    assert answered(lab, UNKNOWN, tmp_path) == EVERYWHERE, "some node is inspected"
    assert answered(lab, INSPECTED, tmp_path) == EVERYWHERE
    heard = server_log.read_text().removeprefix(before)
    # What dnsmasq logs of a request is its DUID, which ends in the MAC.
    for network in NETWORKS:
        assert lab.mac(host(network, INSPECTED)) in heard
        assert lab.mac(host(network, DENIED)) not in heard


@pytest.mark.parametrize("controller", ["xdp"], indirect=True)
def test_clients_tells_who_asked_and_through_which_relay(
    lab: Lab, controller: Controller, server_log: Path, tmp_path: Path
) -> None:
    answered(lab, DENIED, tmp_path)
    seen = {c["address"]: c for c in controller.json("clients")["clients"]}
    for network in NETWORKS:
        client = seen[lab.mac(host(network, DENIED))]
        assert client["verdict"] == "deny"
        assert client["message_type"] == "SOLICIT"
        assert client["relay"] == (RELAY if network == "relayed" else None)
        assert client["vlans"] == ([7] if network == "VLAN" else [])


@pytest.mark.parametrize("controller", ["noop"], indirect=True)
def test_without_the_filter_all_get_one(
    lab: Lab, controller: Controller, server_log: Path, tmp_path: Path
) -> None:
    assert answered(lab, DENIED, tmp_path) == EVERYWHERE
