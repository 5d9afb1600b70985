# SPDX-License-Identifier: Apache-2.0
"""The lab itself, with nothing filtering: every other end-to-end test rests on
every machine being answered here, on Ironic going through an inspection, and on
nothing being left behind."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

from lab import AskError, Ironic, IronicError, Lab, wait_for  # noqa: E402
from probe import Probe  # noqa: E402

NAME = "testlab"
SUBNETS = {
    "flat": "192.0.2.0/24",
    "leaf1": "198.51.100.0/24",
    "leaf2": "203.0.113.0/24",
    "vlan": "198.18.7.0/24",
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def footprint() -> dict[str, list[str]]:
    """What a lab may leave behind on a machine, as far as others don't change it."""
    mark = f"pxegate-{NAME}"
    return {
        "namespaces": [p.name for p in Path("/run/netns").glob(f"{mark}-*")],
        "mounts": [m for m in Path("/proc/self/mountinfo").open() if mark in m],
        "pins": [str(p) for p in Path("/sys/fs/bpf").glob(f"{mark}*")],
        "processes": [f"{pid}: {command}" for pid, command in lab_processes()],
        "files": [str(p) for p in (ROOT / "build" / "lab").glob(NAME)],
        "host interfaces": sorted(os.listdir("/sys/class/net")),
        # Where RabbitMQ of this machine, if there is one, has its data.
        "RabbitMQ's": sorted(str(p) for p in Path("/var/lib/rabbitmq").glob("**/*")),
        "temporary": [str(p) for p in Path("/tmp").glob("*") if owner(p) == "rabbitmq"],
    }


def owner(path: Path) -> str:
    with contextlib.suppress(OSError, KeyError):  # it is gone, or nobody's
        return path.owner()
    return ""


def lab_processes() -> list[tuple[int, str]]:
    """Processes that the lab has started, wherever they are."""
    state = str(ROOT / "build" / "lab" / NAME)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().decode().split("\0")
            command = (process / "cmdline").read_bytes().decode().replace("\0", " ")
        except OSError:
            continue  # it has ended, or is the kernel's
        if f"PXEGATE_LAB={state}" in environment:
            found.append((int(process.name), command))
    return found


@pytest.fixture(scope="module")
def before() -> dict[str, list[str]]:
    Lab(NAME).down()  # what a killed run may have left
    return footprint()


@pytest.fixture(scope="module")
def lab(before: dict[str, list[str]]):
    with Lab(NAME) as made:
        yield made
    assert footprint() == before


def lab_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "lab", "--name", NAME, *arguments],
        text=True,
        capture_output=True,
        timeout=60,
    )


def test_every_machine_of_every_network_is_answered(lab: Lab) -> None:
    answers = lab.ask_many(lab.nodes)
    assert len(answers) == 24
    for host, answer in answers.items():
        assert answer is not None, f"{host} was not answered"
        assert ipaddress.ip_address(answer.address) in ipaddress.ip_network(
            SUBNETS[lab.network(host)]
        )
        assert answer.prefix_length == 24
        on_vlan = lab.network(host) == "vlan"
        assert answer.boot_server == ("198.18.7.1" if on_vlan else "192.0.2.1")
        assert answer.boot_file == "undionly.kpxe"


def test_a_machine_behind_a_relay_is_answered_through_it(lab: Lab) -> None:
    assert lab.relay("flat1") is None
    assert lab.relay("leaf1n1") == "198.51.100.1"
    with capture(lab, "udp port 67 and src host 192.0.2.12") as seen:
        assert lab.ask("leaf2n2") is not None
    # The leaf's MAC on the frame, its address as giaddr, the node in chaddr.
    assert "52:54:00:00:ff:12 >" in seen.text
    assert "Gateway-IP 203.0.113.1" in seen.text
    assert f"Client-Ethernet-Address {lab.mac('leaf2n2')}" in seen.text


def test_the_vlan_is_tagged_on_its_nic_and_nowhere_else(lab: Lab) -> None:
    tag = f"{lab.mac('vlan2')} > ff:ff:ff:ff:ff:ff, ethertype 802.1Q (0x8100)"
    with (
        capture(lab, "", "trunk0") as trunk,
        capture(lab, "udp", "prov7") as vlan,
        capture(lab, "", "eth0", "vlan2") as node,
        capture(lab, "ether host 52:54:00:00:07:02", "prov0") as other,
    ):
        assert lab.ask("vlan2") is not None
    assert tag in trunk.text and "vlan 7" in trunk.text
    for untagged in vlan, node:
        assert lab.mac("vlan2") in untagged.text and "vlan" not in untagged.text
    assert lab.mac("vlan2") not in other.text


def test_a_program_on_the_nic_finds_the_tag_in_the_frame(
    lab: Lab, tmp_path: Path
) -> None:
    """Or no XDP filter could be shown to find it."""
    source = tmp_path / "only_tagged.c"
    source.write_text(
        "struct xdp_md { unsigned int data, data_end; };\n"
        '__attribute__((section("xdp"), used)) int only_tagged(struct xdp_md *frame)\n'
        "{ unsigned char *at = (void *)(long)frame->data;\n"
        "  if (at + 14 > (unsigned char *)(long)frame->data_end) return 1;\n"
        "  return at[12] == 0x81 && at[13] == 0 ? 2 /* pass */ : 1 /* drop */; }\n"
    )
    program = tmp_path / "only_tagged.o"
    compiler = ["clang", "-target", "bpf", "-O2", "-g", "-c", source, "-o", program]
    subprocess.run(compiler, check=True)
    for interface, answered in ("trunk0", True), ("prov7", False):
        xdp = ["ip", "link", "set", "dev", interface, "xdpdrv"]
        lab.exec("spine", [*xdp, "obj", program, "sec", "xdp"])
        try:
            assert (lab.ask("vlan3", 1) is not None) == answered, interface
        finally:
            lab.exec("spine", [*xdp, "off"])


def test_the_server_can_be_stopped_and_started(lab: Lab) -> None:
    lab.dhcp("stop")
    lab.dhcp("stop")
    assert lab.ask("flat5", 1) is None
    lab.dhcp("start")
    before = (lab.state_dir / "run" / "spine.dhcp-server.pid").read_text()
    lab.dhcp("start")
    assert (lab.state_dir / "run" / "spine.dhcp-server.pid").read_text() == before
    assert lab.ask("flat5") is not None
    lab.dhcp("restart")
    assert (lab.state_dir / "run" / "spine.dhcp-server.pid").read_text() != before
    assert lab.ask("flat5") is not None


def test_what_the_directory_of_hosts_says_is_done_at_once(lab: Lab) -> None:
    mac = lab.mac("leaf2n4")
    (lab.hostsdir / mac).write_text(f"{mac},ignore\n")
    assert wait_for(lambda: lab.ask("leaf2n4", 1) is None, 10)
    (lab.hostsdir / mac).write_text(f"{mac}\n")
    assert wait_for(lambda: lab.ask("leaf2n4", 1) is not None, 10)


def test_no_answer_is_told_from_a_failing_client(lab: Lab) -> None:
    with pytest.raises(AskError):
        lab.ask("flat5", 1, interface="eth9")
    with paused(lab, "spine.dhcp-server"):
        assert lab.ask("flat5", 1) is None
    assert lab.ask("flat5") is not None


def test_a_probe_sees_each_answer_and_each_silence(lab: Lab) -> None:
    heard = lab.requests_heard("leaf1n4")
    with Probe(lab, "flat4") as flat, Probe(lab, "leaf1n4") as relayed:
        time.sleep(1)
    for probe in flat, relayed:
        assert len(probe.requests) >= 10
        assert not probe.unanswered(), f"{probe.host} was not always answered"
    assert lab.requests_heard("leaf1n4") - heard == len(relayed.requests)

    with paused(lab, "spine.dhcp-server"):
        with Probe(lab, "flat4") as probe:
            time.sleep(0.3)
    assert probe.requests and not probe.answered()


def test_a_node_goes_through_inspections(lab: Lab) -> None:
    ironic = lab.ironic
    node = ironic.enroll("inspected", [lab.mac("flat1")], "manageable")
    assert [port["address"] for port in ironic.ports(node)] == [lab.mac("flat1")]

    asked = ironic.inspect("inspected")
    assert ironic.state(node) == "inspect wait"
    assert ironic.node(node)["driver_internal_info"]["inspector_manage_boot"] is False
    assert 0 < ironic.wait_power_on(node, asked) - asked < 10
    assert [
        found["finished"] for found in ironic.introspections() if found["uuid"] == node
    ] == [False]

    ironic.abort(node)
    assert ironic.state(node) == "inspect failed"
    ironic.delete(node)

    # Another node: Ironic takes the end of one inspection for the end of the node's
    # next, now and then.
    node = ironic.enroll("inspected-too", [lab.mac("flat2")], "manageable")
    ironic.inspect(node)
    ironic.finish_inspection(node)
    assert ironic.state(node) == "manageable"
    assert ironic.introspection(node)["finished"]
    ironic.delete(node)


@pytest.mark.parametrize("state", ["enroll", "available", "active", "inspect wait"])
def test_a_node_can_be_enrolled_in_and_removed_from_any_state(
    lab: Lab, state: str
) -> None:
    node = lab.ironic.enroll("short-lived", [lab.mac("leaf1n3")], state)
    assert lab.ironic.state(node) == state
    lab.ironic.delete(node)
    with pytest.raises(IronicError) as gone:
        lab.ironic.node(node)
    assert gone.value.status == 404


def test_exec_passes_on_the_exit_status(lab: Lab) -> None:
    assert lab_command("exec", "leaf1", "sh", "-c", "exit 42").returncode == 42
    assert lab_command("exec", "nowhere", "true").returncode == 1


def test_what_cannot_be_done_is_refused(lab: Lab) -> None:
    assert lab_command("boot", "leaf1", "bios").returncode == 1  # it is no node
    assert lab_command("boot", "leaf1n1", "coreboot").returncode == 2
    assert lab_command("unplug", "leaf1n1").returncode == 0  # nothing to do
    assert lab_command("dhcp", "restart", "dhcpd").returncode == 2


def test_exec_sees_the_bpf_file_system(lab: Lab) -> None:
    lab.pin_path.mkdir()
    seen = lab_command("exec", "spine", "ls", "/sys/fs/bpf").stdout
    assert lab.pin_path.name in seen.split()  # and "down" has to remove it


def test_up_does_nothing_when_it_is_up(lab: Lab) -> None:
    pids = sorted(pid for pid, _ in lab_processes())
    assert "is up already" in lab_command("up").stdout
    assert sorted(pid for pid, _ in lab_processes()) == pids


@pytest.mark.parametrize("name", ["", "Lab", "a-b", "../x", "a" * 13, "1a"])
def test_names_that_would_not_do_are_refused(name: str) -> None:
    refused = subprocess.run(
        [ROOT / "scripts" / "lab", "--name", name, "up"], capture_output=True
    )
    assert refused.returncode == 2


# --- From here on the lab of the tests above is gone --------------------------


def test_down_leaves_nothing(lab: Lab, before: dict[str, list[str]]) -> None:
    # Also what a test started and forgot, however stubborn.
    lab.boot("flat1", "bios")
    lab.popen("leaf2", ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    lab.down()
    assert footprint() == before
    assert lab_command("down").returncode == 0  # nothing to do is no error
    assert lab_command("show").returncode == 1


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.05, 0.3, 1.0])
def test_an_interrupted_up_cleans_up_after_itself(
    before: dict[str, list[str]], sig: signal.Signals, delay: float
) -> None:
    up = subprocess.Popen(
        [ROOT / "scripts" / "lab", "--name", NAME, "up"], start_new_session=True
    )
    time.sleep(delay)
    os.killpg(up.pid, sig)  # as a terminal does
    # bash 5.2 makes it 2 where the signal comes while it parses a "$(...)".
    assert up.wait(30) in (128 + sig, 2)
    assert footprint() == before


def test_down_removes_what_a_killed_up_has_left(before: dict[str, list[str]]) -> None:
    up = subprocess.Popen(
        [ROOT / "scripts" / "lab", "--name", NAME, "up"], start_new_session=True
    )
    assert wait_for(lambda: len(footprint()["namespaces"]) > 5, 10)
    os.killpg(up.pid, signal.SIGKILL)
    up.wait(10)
    assert lab_command("down").returncode == 0
    assert footprint() == before


def test_keystone_and_rabbitmq_come_and_go_with_the_lab(
    before: dict[str, list[str]],
) -> None:
    with Lab(NAME, with_keystone=True, with_rabbitmq=True) as lab:
        assert (lab.description["keystone"], lab.description["rabbitmq"]) == (True, True)
        # Reached from this host alone.
        listening = lab.exec("spine", ["ss", "-Hltn"]).stdout
        at = [line.split()[3] for line in listening.splitlines()]
        assert {"127.0.0.1:5000", "127.0.0.1:5672", "127.0.0.1:4369"} <= set(at)
        own = ("127.0.0.1:", "127.0.0.2:", "[::1]:", "192.0.2.1:")
        assert all(address.startswith(own) for address in at), at

        # Ironic asks Keystone who may do what.
        assert lab.ironic.nodes() == []
        with pytest.raises(IronicError) as refused:
            Ironic(lab.namespace("spine")).nodes()
        assert refused.value.status == 401

        erlang = [pid for pid, command in lab_processes() if "erl" in command]
        assert len(erlang) >= 2  # it, and epmd
        for pid in erlang:
            assert owner(Path(f"/proc/{pid}")) == "rabbitmq"

        for service in "keystone", "rabbitmq":
            pid = lab.state_dir / "run" / f"spine.{service}.pid"
            first = pid.read_text()
            lab.service(service, "start")
            assert pid.read_text() == first
            lab.service(service, "kill")
            assert not Path(f"/proc/{first.strip()}").exists()
            lab.service(service, "stop")
            lab.service(service, "restart")
            assert pid.read_text() != first
        lab.set_token_expiration(1)
        lab.keystone.token()
        # What Ironic has to say reaches its queue.
        node = lab.ironic.enroll("announced", [lab.mac("flat1")], "enroll")
        assert "ironic_versioned_notifications.info" in lab.rabbitmqctl("list_queues")
        lab.ironic.delete(node)
    assert footprint() == before


@pytest.mark.parametrize("delay", [2.0, 6.0, 12.0])
def test_an_interrupted_up_takes_keystone_and_rabbitmq_with_it(
    before: dict[str, list[str]], delay: float
) -> None:
    options = ["--without-ironic", "--keystone", "--rabbitmq"]
    up = subprocess.Popen(
        [ROOT / "scripts" / "lab", "--name", NAME, "up", *options],
        start_new_session=True,
    )
    time.sleep(delay)
    os.killpg(up.pid, signal.SIGTERM)
    # Where the machine is quick, it is up.
    if up.wait(60) == 0:
        assert lab_command("down").returncode == 0
    assert footprint() == before


def test_down_ends_daemons_that_have_lost_their_namespaces(
    before: dict[str, list[str]],
) -> None:
    assert lab_command("up", "--without-ironic").returncode == 0
    for namespace in footprint()["namespaces"]:
        subprocess.run(["ip", "netns", "del", namespace], check=True)
    assert lab_processes()
    assert lab_command("down").returncode == 0
    assert footprint() == before


@contextlib.contextmanager
def paused(lab: Lab, role: str):
    """Stops one of the lab's daemons for a while."""
    pid = int((lab.state_dir / "run" / f"{role}.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class capture:
    """Collects what tcpdump prints of an interface."""

    def __init__(
        self, lab: Lab, expression: str, interface: str = "prov0", host: str = "spine"
    ) -> None:
        self.text = ""
        self._tcpdump = lab.popen(
            host,
            ["tcpdump", "-nevlU", "-i", interface, *expression.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> capture:
        assert "listening on" in self._tcpdump.stderr.readline()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.2)
        self._tcpdump.send_signal(signal.SIGINT)
        self.text, _ = self._tcpdump.communicate(timeout=10)
