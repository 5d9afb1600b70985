# SPDX-License-Identifier: Apache-2.0
"""Ironic that is down, slow, wrong or hostile: the policy in force stays, the log
and the status tell which request failed and why, and afterwards the controller
catches up by itself. And machines on which the filter cannot be set up."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import Lab, wait_for
from subject import PATIENCE, Controller, FakeIronic

OPEN, CLOSED, NEXT = "flat1", "flat2", "flat3"
TIMEOUT = 2


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    # Small pages, so that lists have several.
    with FakeIronic(lab, "--max-limit", "2") as ironic:
        ironic.add(OPEN, lab.mac(OPEN), state="inspect wait")
        ironic.add(CLOSED, lab.mac(CLOSED), state="active")
        ironic.add(NEXT, lab.mac(NEXT), state="available")
        yield ironic


def make(lab: Lab, ironic: FakeIronic, name: str = "pxegate") -> Controller:
    controller = Controller(lab, name=name)
    controller.set_defaults(
        {
            "ironic": {"endpoint_override": ironic.url, "timeout": TIMEOUT},
            "pxe_filter": {"poll_interval": 1, "sync_period": 1},
        }
    )
    controller.configure({})
    return controller


def tear_down(controller: Controller) -> None:
    controller.kill()
    controller.configure({})
    controller.cli("teardown")


@pytest.fixture(scope="module")
def running(lab: Lab, ironic: FakeIronic) -> Iterator[Controller]:
    """One controller that has to bear it all."""
    with make(lab, ironic) as controller:
        yield controller.start_synced()
        tear_down(controller)


@pytest.fixture
def controller(lab: Lab, ironic: FakeIronic) -> Iterator[Controller]:
    """One that is not started yet."""
    with make(lab, ironic) as controller:
        yield controller
        tear_down(controller)


# --- Ironic's faults ----------------------------------------------------------


@dataclass
class Fault:
    """What Ironic does wrong, and what is to be said about it."""

    says: str  # a regular expression
    what: dict[str, Any] = field(default_factory=dict)
    match: str = "^/v1"  # the requests it concerns
    data: dict[str, Any] = field(default_factory=dict)  # in what it knows

    def begin(self, ironic: FakeIronic) -> None:
        if self.what:
            ironic.change(faults=[{"match": self.match, "times": -1, **self.what}])
        ironic.change(**self.data)

    @property
    def about_ports(self) -> bool:
        """Whether nodes are still told as they are."""
        return "ports" in self.match or "add_ports" in self.data


def body(text: str) -> dict[str, str]:
    return {"kind": "body", "body": text}


NODE = "00000000-0000-4000-a000-00000000abcd"
PORT = "00000000-0000-4000-b000-00000000abcd"
TWIN = "00000000-0000-4000-b000-00000000abce"

FAULTS = {
    "401": Fault(r"HTTP 401", {"status": 401}),
    "403": Fault(r"HTTP 403", {"status": 403}),
    "404": Fault(r"HTTP 404.*endpoint_override", {"status": 404}),
    "406": Fault(r"HTTP 406", {"status": 406}),
    "409": Fault(r"HTTP 409", {"status": 409}),
    "500": Fault(r"HTTP 500", {"status": 500}),
    "503": Fault(r"HTTP 503", {"status": 503, "headers": {"Retry-After": "2"}}),
    "html": Fault(r"JSON", {"kind": "html"}),
    "truncated": Fault(r"JSON", {"kind": "truncate"}),
    "closed early": Fault(r"GET", {"kind": "close"}),
    "reset": Fault(r"GET", {"kind": "reset"}),
    "slow": Fault(r"[Tt]ime", {"kind": "none", "delay": TIMEOUT + 3}),
    "dripping": Fault(r"[Tt]ime", {"kind": "drip", "interval": 0.2}),
    "200 MB": Fault(r"longer than \d+ bytes", {"kind": "large"}),
    "a list that is none": Fault(r"nodes", body('{"nodes": {"a": 1}}')),
    "another list": Fault(r"nodes", body('{"knots": []}')),
    "a state of a wrong type": Fault(
        r"provision_state",
        body(
            f'{{"nodes": [{{"uuid": "{NODE}", "name": null, "provision_state": 7, '
            '"inspect_interface": null, "driver_internal_info": {}}]}'
        ),
    ),
    "a UUID that is none": Fault(
        r"uuid",
        body(
            '{"nodes": [{"uuid": "here", "name": null, "provision_state": "active", '
            '"inspect_interface": null, "driver_internal_info": {}}]}'
        ),
    ),
    "a MAC that is none": Fault(
        r"address.*not-a-mac|not-a-mac",
        data={"add_ports": [{"uuid": PORT, "node_uuid": NODE, "address": "not-a-mac"}]},
    ),
    "a MAC on two ports": Fault(
        r"52:54:00:00:00:02",  # that of CLOSED
        data={
            "add_ports": [
                {"uuid": TWIN, "node_uuid": NODE, "address": "52:54:00:00:00:02"}
            ]
        },
    ),
    "an endless list": Fault(r"does not advance", {"kind": "loop"}, match="^/v1/ports"),
    "a page that disappears": Fault(
        r"HTTP 404", {"status": 404}, match="^/v1/ports.*marker="
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_the_policy_stays_while_ironic_is_wrong(
    lab: Lab, ironic: FakeIronic, running: Controller, fault: Fault
) -> None:
    macs = {host: lab.mac(host) for host in (OPEN, CLOSED, NEXT)}
    normal = {macs[OPEN]: "allow", macs[CLOSED]: "deny", macs[NEXT]: "deny"}
    normal["unknown"] = "allow"
    running.wait_enforced(normal)
    before = running.enforced()
    said = len(running.log())
    newcomer = {"uuid": "00000000-0000-4000-c000-000000000001", "node_uuid": NODE}
    newcomer["address"] = "52:54:00:00:0a:01"
    try:
        fault.begin(ironic)
        assert wait_for(lambda: failing(running) is not None, PATIENCE), running.log()
        # What is news now is not to be heard: not what Ironic says of ports, and
        # not of nodes either, unless that is still whole.
        ironic.change(add_ports=[newcomer])
        if not fault.about_ports:
            ironic.set_state(OPEN, "active")
            ironic.set_state(NEXT, "inspecting")
        checks = 0
        failures = failing(running)["consecutive_failures"]
        while failing(running)["consecutive_failures"] <= failures:
            assert running.enforced() == before
            checks += 1
            time.sleep(0.2)
        assert running.enforced() == before
        assert running.alive()

        error = failing(running)["last_error"]
        assert re.search(fault.says, error), error
        assert re.search(rf"GET {ironic.url}/v1/(nodes|ports)", error), error
        assert f"GET {ironic.url}/v1/" in running.cli("status", check=False).stdout
        news = running.log()[said:]
        assert re.search(rf"warning .*({fault.says})", news), news
    finally:
        ironic.change(clear_faults=True, delete_ports=[PORT, TWIN])
    try:
        expected = {newcomer["address"]: "deny"}
        if not fault.about_ports:
            expected |= {macs[OPEN]: "deny", macs[NEXT]: "allow"}
        running.wait_enforced(expected)
        assert wait_for(lambda: failing(running) is None, PATIENCE), running.log()[said:]
        assert running.memory("VmHWM") < 150, "its answers are capped at 64 MB"
    finally:
        ironic.change(delete_ports=[newcomer["uuid"]])
        ironic.set_state(OPEN, "inspect wait")
        ironic.set_state(NEXT, "available")


def failing(controller: Controller) -> dict[str, Any] | None:
    """What the status says of Ironic, if that is nothing good."""
    (source,) = controller.status()["sources"]
    return source if source["consecutive_failures"] else None


def test_ironic_that_dies_leaves_the_policy_visibly_stale(
    lab: Lab, ironic: FakeIronic, running: Controller
) -> None:
    running.wait_enforced({lab.mac(OPEN): "allow", lab.mac(CLOSED): "deny"})
    before = running.enforced()
    assert running.cli("status").returncode == 0
    ironic.stop()
    try:
        assert wait_for(lambda: running.status()["sync"]["stale"], PATIENCE)
        status = running.cli("status", check=False)
        assert status.returncode == 1
        assert f"GET {ironic.url}/v1/nodes" in status.stdout
        assert running.enforced() == before
        assert lab.ask(OPEN, 5) is not None
        assert lab.ask(CLOSED, 1) is None
    finally:
        ironic.start()
        # Its memory is gone with it.
        ironic.add(OPEN, lab.mac(OPEN), state="active")
        ironic.add(CLOSED, lab.mac(CLOSED), state="inspect wait")
        ironic.add(NEXT, lab.mac(NEXT), state="available")
    running.wait_enforced({lab.mac(OPEN): "deny", lab.mac(CLOSED): "allow"})
    assert wait_for(lambda: running.cli("status", check=False).returncode == 0, PATIENCE)
    ironic.set_state(OPEN, "inspect wait")
    ironic.set_state(CLOSED, "active")
    running.wait_enforced({lab.mac(OPEN): "allow", lab.mac(CLOSED): "deny"})
    tear_down(running)


# --- The service manager, and Ironic at the start -------------------------------


class ServiceManager:
    """Listens to what the controller tells systemd."""

    def __init__(self, path: Path, watchdog: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._messages: list[str] = []
        self.environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(int(watchdog * 1e6)),
        }

    def heard(self, message: str) -> int:
        """How often it was told this."""
        try:
            while True:
                self._messages += self._socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self._messages.count(message)


def test_ready_only_when_everything_ironic_knows_is_enforced(
    lab: Lab, ironic: FakeIronic, controller: Controller
) -> None:
    manager = ServiceManager(lab.state_dir / "notify.sock", watchdog=1.5)
    ironic.stop()
    try:
        controller.start(env=manager.environment)
        controller.wait_log("is filtered")
        assert wait_for(lambda: manager.heard("WATCHDOG=1") > 2, PATIENCE)
        assert wait_for(lambda: bool(controller.status() and failing(controller)), PATIENCE)
        status = controller.cli("status", check=False)
        assert status.returncode == 1
        assert f"GET {ironic.url}/v1/nodes" in status.stdout
        assert not controller.status()["sync"]["synced"]
        assert controller.enforced() == {"unknown": "deny"}
        assert lab.ask(OPEN, 1) is None
        assert manager.heard("READY=1") == 0
    finally:
        ironic.start()
        ironic.add(OPEN, lab.mac(OPEN), state="inspect wait")
        ironic.add(CLOSED, lab.mac(CLOSED), state="active")
        ironic.add(NEXT, lab.mac(NEXT), state="available")
    controller.wait_synced()
    assert wait_for(lambda: manager.heard("READY=1") == 1, PATIENCE)
    controller.wait_enforced({lab.mac(OPEN): "allow", lab.mac(CLOSED): "deny"})
    beats = manager.heard("WATCHDOG=1")
    assert wait_for(lambda: manager.heard("WATCHDOG=1") > beats + 2, PATIENCE)
    assert manager.heard("READY=1") == 1
    assert manager.heard("STOPPING=1") == 0
    assert controller.stop() == 0
    assert manager.heard("STOPPING=1") == 1


# --- Machines that do not let it -----------------------------------------------


def without(*capabilities: str) -> list[str]:
    """The start of a command that root runs without these."""
    return ["setpriv", "--bounding-set", ",".join(f"-{name}" for name in capabilities)]


# In a mount namespace of its own; it may be mounted several times over.
NO_BPFFS = [
    *("unshare", "--mount", "sh", "-c"),
    'while umount -l /sys/fs/bpf 2>/dev/null; do :; done; exec "$@"',
    "sh",
]


def test_a_missing_bpf_file_system_is_mounted(lab: Lab, controller: Controller) -> None:
    controller.start(*NO_BPFFS)
    controller.wait_synced()
    assert "mounted a BPF file system at /sys/fs/bpf" in controller.log()
    mounts = Path(f"/proc/{controller.process.pid}/mounts").read_text(encoding="utf-8")
    assert " /sys/fs/bpf bpf " in mounts
    assert controller.stop() == 0
    # It was that namespace's, and the filter goes with it.
    assert wait_for(lambda: "xdp" not in show_prov0(lab), PATIENCE)


def show_prov0(lab: Lab) -> str:
    return lab.exec("spine", ["ip", "-d", "link", "show", "dev", "prov0"]).stdout


def test_a_bpf_file_system_that_cannot_be_mounted_is_told_with_the_command(
    controller: Controller,
) -> None:
    controller.start(*NO_BPFFS, *without("sys_admin"))
    assert controller.wait() == 1
    assert "mount -t bpf bpf /sys/fs/bpf" in controller.log()


@pytest.mark.parametrize(
    "missing",
    [
        ["bpf", "sys_admin"],
        ["net_admin", "sys_admin"],
        ["perfmon", "bpf", "net_admin", "sys_admin"],
    ],
    ids="+".join,
)
def test_missing_capabilities_are_named(controller: Controller, missing: list[str]) -> None:
    controller.start(*without(*missing))
    assert controller.wait() == 1
    for name in missing:
        if name != "sys_admin":  # which stands for all the others
            assert f"CAP_{name.upper()}" in controller.log()


def test_it_runs_with_the_capabilities_it_asks_for(controller: Controller) -> None:
    keep = "-all,+bpf,+net_admin,+perfmon,+dac_override,+setpcap"
    controller.start("setpriv", "--bounding-set", keep)
    controller.wait_synced()
    controller.signal(signal.SIGTERM)
    assert controller.wait() == 0


def test_a_crash_leaves_no_core_file(controller: Controller, tmp_path: Path) -> None:
    """Passwords and tokens would be in it."""
    unlimited = ["prlimit", "--core=unlimited"]

    def how_it_dies(process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGSEGV)
        died = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        process.wait()
        return died.si_code

    other = subprocess.Popen([*unlimited, "sleep", "infinity"], cwd=tmp_path)
    assert wait_for(lambda: comm_of(other.pid) == "sleep", PATIENCE)
    assert how_it_dies(other) == os.CLD_DUMPED, "core files are switched off here"
    controller.start(*unlimited, cwd=tmp_path)
    controller.wait_synced()
    assert how_it_dies(controller.process) == os.CLD_KILLED


def comm_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
