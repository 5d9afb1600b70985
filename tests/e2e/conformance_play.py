# SPDX-License-Identifier: Apache-2.0
"""Takes one driver through all states on all networks, with a real DHCP server
and real requests, and notes who was answered."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from conformance import NETWORKS, STATES, Cell, Results, Variant
from footprint import footprint
from probe import Probe
from subject import PLUGINS, ROOT, Controller, FakeIronic, Lab, Sections, wait_for

# The server's NICs.
GUARDED = ("prov0", "trunk0")
# Of each machine, before its silence counts.
REQUESTS = 8
# Seconds for an answer that is expected to come.
PATIENCE = 15

_BY_KEY = {state.key: state for state in STATES}


def sections(lab: Lab, ironic: FakeIronic, driver: str) -> Sections:
    """The configuration of every driver's run: all that any of them reads. Nothing
    but the line `driver = ...` depends on which of them it is."""
    return {
        "pxe_filter": {
            "driver": driver,
            "poll_interval": 1,
            "sync_period": 15,
            "plugin_dir": PLUGINS / "prefix" / "lib" / "pxegate" / "drivers",
        },
        "ironic": {"endpoint_override": ironic.url},
        "xdp": {"interfaces": ", ".join(GUARDED), "pin_path": lab.pin_path},
        "nftables": {"interfaces": ", ".join(GUARDED)},
        "iptables": {"dnsmasq_interface": "prov+"},
        "dnsmasq_pxe_filter": {"dhcp_hostsdir": lab.hostsdir},
        "tor_switch": {"program": lab_switch(lab)},
    }


def lab_switch(lab: Lab) -> Path:
    """The agent of a switch in front of the lab's server."""
    agent = lab.state_dir / "lab-switch"
    if not agent.is_symlink():
        agent.symlink_to(ROOT / "tests" / "plugin" / "lab-switch")
        (lab.state_dir / "lab-switch.interface").write_text(" ".join(GUARDED))
    return agent


def environment(lab: Lab, variant: Variant) -> dict[str, str]:
    """With the variant's iptables first in PATH."""
    if variant.xtables is None:
        return dict(os.environ)
    program = shutil.which(variant.xtables)
    assert program, f"{variant.xtables} is not installed"
    folder = lab.state_dir / variant.xtables
    folder.mkdir(exist_ok=True)
    for tool in ("iptables", "ip6tables"):
        for command in (tool, f"{tool}-save", f"{tool}-restore"):
            link = folder / command
            if not link.is_symlink():
                link.symlink_to(program)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


class ServerLog:
    """What dnsmasq says of each machine from now on."""

    _LINE = re.compile(
        r"DHCP(?:DISCOVER|REQUEST|INFORM)\(.* ((?:[0-9a-f]{2}:){5}[0-9a-f]{2})( ignored)?"
    )

    def __init__(self, lab: Lab) -> None:
        self._path = lab.state_dir / "dhcp" / "dnsmasq.log"
        self._at = self._path.stat().st_size
        self.heard: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()

    def read(self) -> ServerLog:
        with open(self._path, "rb") as log:
            log.seek(self._at)
            text = log.read()
        text = text[: text.rfind(b"\n") + 1]
        self._at += len(text)
        for line in text.decode(errors="replace").splitlines():
            if found := self._LINE.search(line):
                self.heard[found[1]] += 1
                self.ignored[found[1]] += bool(found[2])
        return self


def wait_until_all_is_read(lab: Lab) -> None:
    """Waits until no request is on its way to the server any more."""

    def queued() -> int:
        total = 0
        for host in ("spine", "leaf1", "leaf2"):
            for line in lab.exec(host, ["cat", "/proc/net/udp"]).stdout.splitlines():
                if ":0043 " in line:
                    total += int(line.split()[4].split(":")[1], 16)
        return total

    assert wait_for(lambda: queued() == 0, PATIENCE), "the server does not keep up"


class Play:
    """One variant's run. Machine 1 of each network is inspected, 2 is in production,
    3 is never enrolled, 4 is deleted, 5 is deleted and enrolled anew."""

    def __init__(
        self, lab: Lab, ironic: FakeIronic, variant: Variant, options: Sections
    ) -> None:
        self._lab = lab
        self._ironic = ironic
        self._variant = variant
        self._options = options
        self._controller = Controller(lab)
        self._controller.set_defaults(sections(lab, ironic, variant.driver))
        self._results: Results = {}
        self._pending: dict[str, tuple[str, str, bool]] = {}
        self._log = ServerLog(lab)

    def run(self) -> Results:
        with self._controller as controller, self._enrolled():
            self._configure({})
            controller.env = environment(self._lab, self._variant)
            controller.start()
            controller.wait_synced()
            try:
                self._act()
                self._collect()
            finally:
                controller.kill()
                self._configure({})
                torn_down = controller.cli("teardown", check=False)
            assert torn_down.returncode == 0, f"teardown: {torn_down}"
            left = footprint(self._lab)
            assert not left, f"teardown has left {left}"
        return self._results

    def _act(self) -> None:
        self._ask(idle=2, unknown_idle=3)

        self._set_state(1, "inspect wait")
        self._ask(inspected=1, active=2, unknown_inspection=3)

        self._delete(4)
        self._delete(5)
        self._ask(removed_inspection=4)
        self._enroll(5, "available", again=True)
        self._ask(reenrolled=5)
        self._set_state(5, "inspect wait", again=True)
        self._ask(reenrolled_inspected=5)

        self._set_state(1, "manageable")
        self._set_state(5, "available", again=True)
        self._ask(inspected_over=1, removed_idle=4)
        self._set_state(1, "inspect wait")
        self._ask(reinspected=1)

        self._reload({"pxe_filter": {"deny_unknown_macs": True}})
        self._ask(inspected_denying=1, unknown_denied=3)
        self._set_state(1, "manageable")
        self._reload({"auto_discovery": {"enabled": True}})
        self._ask(active_discovery=2, unknown_discovery=3)

    # --- what Ironic knows

    @contextlib.contextmanager
    def _enrolled(self) -> Iterator[None]:
        for number, state in ((1, "manageable"), (2, "active"), (4, "active"), (5, "active")):
            self._enroll(number, state)
        try:
            yield
        finally:
            for number in (1, 2, 4, 5):
                self._delete(number)
            self._delete(5, again=True)

    def _hosts(self, number: int) -> list[str]:
        return [pattern.format(number) for pattern in NETWORKS.values()]

    def _enroll(self, number: int, state: str, again: bool = False) -> None:
        for host in self._hosts(number):
            self._ironic.add(node(host, again), self._lab.mac(host), state=state)

    def _delete(self, number: int, again: bool = False) -> None:
        for host in self._hosts(number):
            self._ironic.delete(node(host, again))

    def _set_state(self, number: int, state: str, again: bool = False) -> None:
        for host in self._hosts(number):
            self._ironic.set_state(node(host, again), state)

    # --- the controller

    def _configure(self, changes: Sections) -> None:
        merged = {name: dict(options) for name, options in self._options.items()}
        for name, options in changes.items():
            merged.setdefault(name, {}).update(options)
        self._controller.configure(merged)

    def _reload(self, changes: Sections) -> None:
        self._configure(changes)
        self._controller.reread("SIGHUP: configuration read again")

    # --- asking

    def _ask(self, **numbers: int) -> None:
        """Lets machines ask on all networks, each for the state that it is in, as soon
        as the controller says that it enforces that."""
        synced = self._controller.cli("sync", check=False)
        assert synced.returncode == 0, synced.stderr + self._controller.log()
        self._collect()
        asking = {
            pattern.format(number): (key, network)
            for key, number in numbers.items()
            for network, pattern in NETWORKS.items()
        }
        probes = {host: Probe(self._lab, host) for host in asking}
        due = [
            probes[host]
            for host, (key, network) in asking.items()
            if self._variant.expected(_BY_KEY[key], network)
        ]
        with contextlib.ExitStack() as stack:
            for probe in probes.values():
                stack.enter_context(probe)
            wait_for(lambda: all(probe.answered() for probe in due), PATIENCE)
            wait_for(lambda: all(len(p.requests) >= REQUESTS for p in probes.values()), PATIENCE)
            for probe in probes.values():
                probe.stop()
        for host, (key, network) in asking.items():
            answered = bool(probes[host].answered())
            self._pending[self._lab.mac(host)] = (key, network, answered)

    def _collect(self) -> None:
        """Notes what became of the machines that asked last: late, so that what the
        server heard late counts, too."""
        wait_until_all_is_read(self._lab)
        log = self._log.read()
        for mac, (key, network, answered) in self._pending.items():
            cell = Cell(answered, log.heard[mac], log.ignored[mac])
            self._results[key, network] = cell
        self._pending.clear()
        log.heard.clear()
        log.ignored.clear()


def node(host: str, again: bool) -> str:
    return f"{host}-again" if again else host


def play(
    lab: Lab, ironic: FakeIronic, variant: Variant, options: Sections | None = None
) -> Results:
    """Runs one variant, from a server that remembers nothing on; `options` are laid
    over the configuration. AssertionError where the driver does not work at all."""
    for file in lab.hostsdir.iterdir():
        file.unlink()
    lab.dhcp("restart")
    left = footprint(lab)
    assert not left, f"the run before has left {left}"
    return Play(lab, ironic, variant, options or {}).run()
