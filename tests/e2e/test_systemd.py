# SPDX-License-Identifier: Apache-2.0
"""The package on a clean Debian 12 under a real systemd: its service, its sandbox,
its upgrade, and real PXE firmware that meets the filter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from booted_machine import BootedMachine
from debian_package import next_version, packed
from firmware import BIOS, boot_all
from lab import Lab, wait_for
from probe import Probe
from subject import PATIENCE, FakeIronic, as_config

# Machines that firmware and udhcpc are started on are not the same.
ALLOWED, DENIED = "leaf1n1", "leaf1n2"
# Not behind a relay, where iptables cannot tell them apart.
FLAT_ALLOWED, FLAT_DENIED = "flat1", "flat2"
BOOTS, DENIED_BOOT = "leaf2n1", "leaf2n2"
CAPABILITIES = {"CAP_BPF": 39, "CAP_NET_ADMIN": 12, "CAP_PERFMON": 38, "CAP_NET_RAW": 13}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as made:
        for host in (ALLOWED, FLAT_ALLOWED, BOOTS):
            made.add(host, lab.mac(host), state="inspect wait")
        for host in (DENIED, FLAT_DENIED, DENIED_BOOT):
            made.add(host, lab.mac(host), state="active")
        yield made


@pytest.fixture(scope="module")
def machine(
    lab: Lab, ironic: FakeIronic, packages: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BootedMachine]:
    with BootedMachine(tmp_path_factory.mktemp("machine")) as made:
        made.install(packages / "first.deb", "iptables")
        next_version(packages / "first.deb", made.path("/root/next.deb"))
        made.boot(lab.namespace("spine"), lab.log_dir / "spine.systemd.log")
        configure(made, ironic)
        yield made


def configure(machine: BootedMachine, ironic: FakeIronic, driver: str = "xdp") -> None:
    text = as_config({
        "pxe_filter": {"driver": driver, "poll_interval": 1},
        "ironic": {"endpoint_override": ironic.url},
        "xdp": {"interfaces": "prov0"},
        "nftables": {"interfaces": "prov0"},
        "iptables": {"dnsmasq_interface": "prov0"},
    })
    machine.run("tee", "/etc/pxegate/pxegate.conf", stdin=text)


def show(machine: BootedMachine, what: str) -> str:
    return machine.run("systemctl", "show", "pxegate", "-P", what).stdout.strip()


def wait_healthy(machine: BootedMachine) -> dict:
    status: dict = {}

    def healthy() -> bool:
        said = machine.run("pxegate", "status", "--json", check=False).stdout
        status.clear()
        status.update(json.loads(said) if said else {})
        return bool(status.get("healthy"))

    assert wait_for(healthy, PATIENCE, 0.3), journal(machine)
    return status


def journal(machine: BootedMachine) -> str:
    shown = machine.run("systemctl", "status", "pxegate", "--no-pager", "-l", check=False)
    return shown.stdout + machine.run(
        "journalctl", "-u", "pxegate", "--no-pager", "-n", "60", check=False).stdout


def capabilities(machine: BootedMachine, pid: str) -> dict[str, int]:
    text = machine.run("cat", f"/proc/{pid}/status").stdout
    return {name: int(value, 16)
            for name, value in re.findall(r"^Cap(Eff|Prm|Bnd|Amb):\s*(\w+)$", text, re.MULTILINE)}


def bits(*names: str) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)


def test_it_starts_and_is_ready_when_it_has_synced(machine: BootedMachine) -> None:
    assert show(machine, "UnitFileState") == "disabled"
    started = machine.run("systemctl", "enable", "--now", "pxegate", check=False)
    assert started.returncode == 0, started.stderr + journal(machine)
    # Type=notify: this came back after the first complete sync.
    status = wait_healthy(machine)
    assert status["sync"]["synced"]
    assert [target["name"] for target in status["driver"]["targets"]] == ["prov0"]
    assert show(machine, "ActiveState") == "active"
    assert show(machine, "WatchdogUSec") == "10min"


def test_it_runs_as_its_user_with_its_drivers_capabilities(machine: BootedMachine) -> None:
    pid = show(machine, "MainPID")
    owner = machine.run("stat", "-c", "%U:%G", f"/proc/{pid}").stdout.strip()
    assert owner == "pxegate:pxegate"
    wanted = bits("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON")
    assert set(capabilities(machine, pid).values()) == {wanted}
    status = machine.run("cat", f"/proc/{pid}/status").stdout
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s*2$", status, re.MULTILINE)
    pins = machine.run("stat", "-c", "%U %a", "/sys/fs/bpf/pxegate").stdout
    assert pins == "pxegate 750\n"


def test_its_sandbox_is_closed(machine: BootedMachine) -> None:
    """What the service itself sees, from within its namespaces."""
    pid = show(machine, "MainPID")
    for path in ("/etc/pxegate/new", "/usr/new", "/var/lib/new", "/proc/sys/kernel/hostname"):
        tried = machine.run("nsenter", "--target", pid, "--mount", "--", "sh", "-c",
                            f"echo x > {path}", check=False)
        assert tried.returncode != 0 and "Read-only file system" in tried.stderr, (path, tried)
    assert machine.run("nsenter", "--target", pid, "--mount", "--", "ls", "/tmp").stdout == ""


def test_requests_are_filtered(machine: BootedMachine, lab: Lab) -> None:
    assert lab.ask(ALLOWED, 10) is not None
    assert lab.ask(DENIED) is None


def test_real_firmware_meets_the_filter(machine: BootedMachine, lab: Lab) -> None:
    """A machine that is inspected boots through a relay, another finds no DHCP."""
    heard = lab.requests_heard(DENIED_BOOT)
    boots = boot_all(lab, [(BOOTS, BIOS), (DENIED_BOOT, BIOS)])
    for boot in boots.values():
        print(f"\n{boot.host}: {boot.words} ({boot.seconds:.0f} s)", end="")
    assert boots[BOOTS].booted is True, boots
    assert boots[DENIED_BOOT].booted is False, boots
    assert lab.requests_heard(DENIED_BOOT) == heard


def test_systemd_starts_it_again(machine: BootedMachine, lab: Lab) -> None:
    before = show(machine, "MainPID")
    with Probe(lab, DENIED) as probe:
        machine.run("systemctl", "kill", "--signal=SIGKILL", "pxegate")
        assert wait_for(lambda: show(machine, "MainPID") not in ("0", before), PATIENCE, 0.3)
        wait_healthy(machine)
    assert probe.requests and not probe.answered()


def test_an_upgrade_leaves_no_gap(machine: BootedMachine, lab: Lab) -> None:
    before = show(machine, "MainPID")
    heard = lab.requests_heard(DENIED)
    with Probe(lab, DENIED, interval=0.02) as probe:
        machine.run("dpkg", "--install", "/root/next.deb")
        # The package's own script has restarted it.
        assert wait_for(lambda: show(machine, "MainPID") not in ("0", before), PATIENCE, 0.3)
        wait_healthy(machine)
    assert len(probe.requests) > 20 and not probe.answered()
    assert lab.requests_heard(DENIED) == heard, "a denied request has passed"
    print(f"\nan upgrade: none of {len(probe.requests)} denied requests passed", end="")
    assert lab.ask(ALLOWED, 10) is not None


@pytest.mark.parametrize(
    ("driver", "needs"),
    [("iptables", ["CAP_NET_ADMIN", "CAP_NET_RAW"]), ("nftables", ["CAP_NET_ADMIN"])],
)
def test_another_driver_gets_what_it_needs(
    machine: BootedMachine, ironic: FakeIronic, lab: Lab, driver: str, needs: list[str]
) -> None:
    configure(machine, ironic, driver)
    with Probe(lab, FLAT_DENIED) as probe:
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "pxegate")
        assert wait_healthy(machine)["driver"]["name"] == driver
    assert probe.requests and not probe.answered()
    assert lab.ask(FLAT_DENIED) is None
    assert lab.ask(FLAT_ALLOWED, 10) is not None
    pid = show(machine, "MainPID")
    assert set(capabilities(machine, pid).values()) == {bits(*needs)}


def test_a_reload_cannot_take_more(machine: BootedMachine, ironic: FakeIronic, lab: Lab) -> None:
    """nftables runs. It lacks what xdp needs, says so, and goes on."""
    configure(machine, ironic, "xdp")
    reloaded = machine.run("systemctl", "reload", "pxegate", check=False)
    assert reloaded.returncode == 0, journal(machine)
    assert wait_for(lambda: "systemctl daemon-reload && systemctl restart pxegate"
                    in journal(machine), PATIENCE, 0.3), journal(machine)
    assert wait_healthy(machine)["driver"]["name"] == "nftables"
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "pxegate")
    assert wait_healthy(machine)["driver"]["name"] == "xdp"
    assert lab.ask(DENIED) is None


def test_a_stop_leaves_the_filter_in_force(machine: BootedMachine, lab: Lab) -> None:
    machine.run("systemctl", "stop", "pxegate")
    assert lab.ask(DENIED) is None
    assert lab.ask(ALLOWED, 10) is not None
    machine.run("systemctl", "start", "pxegate")


def test_dnsmasq_waits_for_the_filter(machine: BootedMachine) -> None:
    """A service in dnsmasq's place, with the drop-in that the package brings."""
    machine.run("mkdir", "-p", "/etc/systemd/system/dnsmasq.service.d")
    machine.run("tee", "/etc/systemd/system/dnsmasq.service",
                stdin="[Service]\nExecStart=/bin/sleep infinity\n")
    drop_in = "/etc/systemd/system/dnsmasq.service.d/pxegate.conf"
    machine.run("cp", "/usr/share/pxegate/behind-pxegate.conf", drop_in)
    machine.run("systemctl", "stop", "pxegate")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "dnsmasq")  # starts the filter first
    assert show(machine, "ActiveState") == "active"
    # Not where it cannot start.
    machine.run("systemctl", "stop", "dnsmasq", "pxegate")
    machine.run("systemctl", "mask", "--runtime", "pxegate")
    assert machine.run("systemctl", "start", "dnsmasq", check=False).returncode != 0
    machine.run("systemctl", "unmask", "--runtime", "pxegate")
    # One that goes with it.
    machine.run("cp", "/usr/share/pxegate/with-pxegate.conf", drop_in)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "dnsmasq")
    machine.run("systemctl", "stop", "pxegate")
    state = machine.run("systemctl", "show", "dnsmasq", "-P", "ActiveState").stdout
    assert state == "inactive\n"
    machine.run("systemctl", "start", "pxegate")


def test_purging_leaves_nothing(machine: BootedMachine, lab: Lab) -> None:
    """The last row."""
    machine.run("apt-get", "purge", "-y", "-q", "pxegate")
    assert lab.ask(DENIED, 10) is not None
    # The kernel's own.
    pins = set(machine.run("ls", "/sys/fs/bpf").stdout.split())
    assert pins <= {"maps.debug", "progs.debug"}
    found = machine.run("find", "/etc", "/usr", "/var/lib", "/var/log", "/run", "-xdev",
                        "-path", "*pxegate*", "-not", "-path", "/var/lib/apt/*",
                        "-not", "-path", "*dnsmasq.service.d*").stdout
    assert found == ""
    assert "prog/xdp" not in lab.exec("spine", ["ip", "-d", "link", "show", "prov0"]).stdout
