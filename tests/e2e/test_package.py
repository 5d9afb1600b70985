# SPDX-License-Identifier: Apache-2.0
"""The Debian package on a clean Debian 12: installed with apt, run as its unit
runs it, upgraded while a denied machine asks all the time, removed, purged."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from as_unit import Unit
from clean_machine import CleanMachine
from debian_package import NEXT_VERSION, next_version, packed
from lab import Lab, wait_for
from probe import Probe
from subject import PATIENCE, FakeIronic, as_config

ALLOWED, DENIED = "flat1", "flat2"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = packed(tmp_path_factory.mktemp("packages"))
    next_version(out / "first.deb", out / "next.deb")
    return out


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as made:
        made.add(ALLOWED, lab.mac(ALLOWED), state="inspect wait")
        made.add(DENIED, lab.mac(DENIED), state="active")
        yield made


@pytest.fixture
def machine(tmp_path: Path, packages: Path) -> Iterator[CleanMachine]:
    with CleanMachine(tmp_path) as made:
        for name in ("first.deb", "next.deb"):
            made.put(packages / name, f"/tmp/{name}")
        yield made


def files(machine: CleanMachine) -> set[str]:
    """What is there of pxegate, by name."""
    found = machine.run("find", "/etc", "/usr", "/var/lib", "/var/log", "/run", "/sys/fs/bpf",
                        "-xdev", "-path", "*pxegate*", "-not", "-path", "/var/lib/apt/*")
    return set(found.stdout.split())


class Service:
    """pxegate on the machine, in the lab's spine, as its unit starts it."""

    def __init__(self, lab: Lab, machine: CleanMachine) -> None:
        self.lab, self.machine = lab, machine
        self.network = lab.namespace("spine")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # What as_unit.py does, but for its filters: the machine has no python3.
        machine = self.machine
        machine.run("/usr/lib/systemd/system-generators/pxegate-generator", "/run/generator")
        uid = machine.run("id", "-u", "pxegate").stdout.strip()
        gid = machine.run("id", "-g", "pxegate").stdout.strip()
        unit = machine.path("/usr/lib/systemd/system/pxegate.service")
        made = machine.path("/run/generator/pxegate.service.d/50-driver.conf")
        parsed = Unit(unit, made)
        shutil.rmtree(machine.path("/run/generator"))
        for command in parsed.commands("ExecStartPre"):
            machine.run(*command)
        machine.run("install", "-d", "-o", "pxegate", "-g", "pxegate", "-m",
                    parsed.last("RuntimeDirectoryMode"), "/run/pxegate")
        capabilities = "".join(f",+{name.removeprefix('CAP_').lower()}"
                               for name in sorted(parsed.capabilities))
        self.log = open(self.lab.log_dir / "spine.package.log", "ab")
        self.process = subprocess.Popen(
            machine.command(
                "setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
                f"--inh-caps=-all{capabilities}", f"--ambient-caps=-all{capabilities}",
                f"--bounding-set=-all{capabilities}", "--no-new-privs",
                *parsed.last("ExecStart").split(), network=self.network),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_healthy()

    def status(self) -> dict:
        said = self.machine.run("pxegate", "status", "--json", network=self.network,
                                check=False).stdout
        return json.loads(said) if said else {}

    def wait_healthy(self) -> None:
        assert wait_for(lambda: bool(self.status().get("healthy")), PATIENCE, 0.3), (
            self.status(), Path(self.log.name).read_text())

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        self.log.close()

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def test_from_install_to_purge(lab: Lab, ironic: FakeIronic, machine: CleanMachine) -> None:
    before = files(machine)
    assert before == set()
    machine.run("apt-get", "update", "-q")
    machine.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "/tmp/first.deb")
    assert "pxegate:" in machine.run("getent", "passwd", "pxegate").stdout
    assert machine.run("pxegate", "--version").stdout.startswith("pxegate ")
    has = machine.run("stat", "-c", "%U:%G %a", "/etc/pxegate/pxegate.conf").stdout
    assert has == "root:pxegate 640\n"
    # Nothing is filtered that nobody has asked for.
    assert machine.run("systemctl", "is-enabled", "pxegate", check=False).stdout == "disabled\n"

    config = as_config({
        "pxe_filter": {"driver": "xdp", "poll_interval": 1},
        "ironic": {"endpoint_override": ironic.url},
        "xdp": {"interfaces": "prov0"},
    })
    machine.run("tee", "/etc/pxegate/pxegate.conf", stdin=config)
    service = Service(lab, machine)
    try:
        service.start()
        assert lab.ask(ALLOWED, 10) is not None
        assert lab.ask(DENIED) is None

        heard = lab.requests_heard(DENIED)
        with Probe(lab, DENIED) as probe:
            machine.run("apt-get", "install", "-y", "-q", "--no-install-recommends",
                        "/tmp/next.deb")
            version = machine.run("dpkg-query", "-W", "-f", "${Version}", "pxegate").stdout
            assert version == NEXT_VERSION
            # A conffile: what the operator wrote stays.
            assert machine.run("cat", "/etc/pxegate/pxegate.conf").stdout == config
            asked = len(probe.requests)
            service.stop()
            time.sleep(0.5)
            service.start()
            assert wait_for(lambda: len(probe.requests) > asked + 20, PATIENCE)
        assert lab.requests_heard(DENIED) == heard, "a denied request has passed"
        assert not probe.answered()
        print(f"\nan upgrade: none of {len(probe.requests)} denied requests passed")
        assert lab.ask(ALLOWED, 10) is not None

        # Removing it removes what it would leave in force for ever, and says so.
        removed = machine.run("dpkg", "--remove", "pxegate", network=service.network)
        assert "every machine may network-boot now" in removed.stdout.replace("\n", " ")
        assert service.process.wait(PATIENCE) == 0
        assert lab.ask(DENIED, 10) is not None
        assert "/etc/pxegate/pxegate.conf" in files(machine)

        machine.run("dpkg", "--purge", "pxegate", network=service.network)
        assert files(machine) == set()
        assert "pxegate" not in machine.run("cat", "/etc/passwd", "/etc/group").stdout
        links = lab.exec("spine", ["ip", "-d", "link", "show", "prov0"]).stdout
        assert "prog/xdp" not in links
        rules = lab.exec("spine", ["nft", "list", "ruleset"]).stdout
        assert "pxegate" not in rules
    finally:
        service.kill()


def test_purging_removes_a_filter_that_a_removal_could_not(
    lab: Lab, ironic: FakeIronic, machine: CleanMachine
) -> None:
    """Its configuration gone, it does not know any more where it is in force."""
    machine.run("apt-get", "update", "-q")
    machine.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "/tmp/first.deb")
    machine.run("tee", "/etc/pxegate/pxegate.conf", stdin=as_config({
        "pxe_filter": {"driver": "xdp", "poll_interval": 1},
        "ironic": {"endpoint_override": ironic.url},
        "xdp": {"interfaces": "prov0"},
    }))
    service = Service(lab, machine)
    try:
        service.start()
        service.stop()
        assert lab.ask(DENIED) is None
        machine.run("mv", "/usr/bin/pxegate", "/usr/bin/gone")
        removed = machine.run("dpkg", "--remove", "pxegate", network=service.network)
        assert "could not be removed" in removed.stderr
        assert lab.ask(DENIED) is None
        machine.run("rm", "/usr/bin/gone")
        machine.run("dpkg", "--purge", "pxegate", network=service.network)
        assert lab.ask(DENIED, 10) is not None
        assert files(machine) == set()
    finally:
        service.kill()
