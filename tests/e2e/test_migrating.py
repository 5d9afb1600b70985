# SPDX-License-Identifier: Apache-2.0
"""docs/migrating.md, with machines that ask all the while: from what ironic-inspector's
drivers leave in force to pxegate and back, nobody is answered who is denied by both."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

import pytest

from probe import Probe
from subject import PATIENCE, Controller, FakeIronic, Lab, Sections, wait_for

INSPECTED, ACTIVE = "flat1", "flat2"
# As ironic_inspector.pxe_filter.iptables runs it.
JUMP = ("INPUT", "-i", "prov0", "-p", "udp", "--dport", "67", "-j", "ironic-inspector")


class Iptables:
    """What ironic-inspector's iptables driver has in force while flat1 is introspected,
    and what it does at its end (_clean_up)."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def put(self) -> None:
        mac = self._lab.mac(ACTIVE)
        self._run("-N", "ironic-inspector")
        self._run("-A", "ironic-inspector", "-m", "mac", "--mac-source", mac, "-j", "DROP")
        self._run("-A", "ironic-inspector", "-j", "ACCEPT")
        self._run("-I", *JUMP)

    def take_away(self) -> None:
        self._run("-D", *JUMP)
        self._run("-F", "ironic-inspector")
        self._run("-X", "ironic-inspector")

    def _run(self, *arguments: str) -> None:
        self._lab.exec("spine", ["iptables", "-w", *arguments])


class Hostsdir:
    """The files of ironic-inspector's dnsmasq driver, which are ironic-pxe-filter's too.
    dnsmasq says in its log when it has read one, and forgets them when it is started
    anew without them."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def put(self) -> None:
        allowed, denied = self._lab.mac(INSPECTED), self._lab.mac(ACTIVE)
        for name, line in (
            (allowed, allowed),
            (denied, f"{denied},ignore"),
            ("unknown_hosts_filter", "*:*:*:*:*:*"),
        ):
            told = f": read {self._lab.hostsdir / name}\n"
            before = self._log().count(told)
            (self._lab.hostsdir / name).write_text(f"{line}\n", encoding="ascii")
            assert wait_for(lambda: self._log().count(told) > before, PATIENCE)  # noqa: B023

    def take_away(self) -> None:
        for file in self._lab.hostsdir.iterdir():
            file.unlink()
        self._lab.dhcp("restart")

    def _log(self) -> str:
        return (self._lab.state_dir / "dhcp" / "dnsmasq.log").read_text(encoding="utf-8")


OLD = {"iptables": Iptables, "dnsmasq": Hostsdir}


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        ironic.add(INSPECTED, lab.mac(INSPECTED), state="inspect wait")
        ironic.add(ACTIVE, lab.mac(ACTIVE))
        yield ironic


@contextlib.contextmanager
def controlled(lab: Lab, ironic: FakeIronic, sections: Sections) -> Iterator[Controller]:
    """A controller of which nothing stays in force, whatever becomes of the test."""
    there = {"ironic": {"endpoint_override": ironic.url}}
    with Controller(lab, {**sections, **there}) as controller:
        try:
            yield controller
        finally:
            controller.kill()
            controller.cli("teardown", check=False)


@contextlib.contextmanager
def in_place(old: Iptables | Hostsdir) -> Iterator[None]:
    old.put()
    try:
        yield
    except BaseException:
        with contextlib.suppress(subprocess.CalledProcessError):
            old.take_away()
        raise


def answered(probe: Probe, since: float) -> bool:
    return wait_for(lambda: bool(probe.answered(since)), PATIENCE)


@pytest.mark.parametrize("old,new", [
    ("iptables", {"pxe_filter": {"driver": "xdp"}}),
    ("iptables", {"pxe_filter": {"driver": "nftables"}, "nftables": {"interfaces": "prov0"}}),
    ("iptables", {"pxe_filter": {"driver": "iptables"},
                  "iptables": {"dnsmasq_interface": "prov0", "firewall_chain": "pxegate"}}),
    ("dnsmasq", {"pxe_filter": {"driver": "xdp"}}),
], ids=["iptables-xdp", "iptables-nftables", "iptables-iptables", "dnsmasq-xdp"])
def test_the_new_filter_in_front_and_then_the_old_one_away(
    lab: Lab, ironic: FakeIronic, old: str, new: Sections
) -> None:
    there = OLD[old](lab)
    with (
        in_place(there),
        controlled(lab, ironic, new) as controller,
        Probe(lab, ACTIVE) as denied,
        Probe(lab, INSPECTED) as allowed,
    ):
        begun = time.time()
        assert answered(allowed, begun)
        controller.start_synced()
        there.take_away()
        assert answered(allowed, time.time())
        # And back.
        there.put()
        controller.stop()
        controller.cli("teardown")
        assert answered(allowed, time.time())
        assert not denied.answered(begun)
        # Without either: who was denied would have been seen.
        there.take_away()
        assert answered(denied, time.time())


def test_pxegates_dnsmasq_driver_takes_the_old_files_over(lab: Lab, ironic: FakeIronic) -> None:
    there = Hostsdir(lab)
    new = {"pxe_filter": {"driver": "dnsmasq"},
           "dnsmasq_pxe_filter": {"dhcp_hostsdir": str(lab.hostsdir)}}
    with (
        in_place(there),
        controlled(lab, ironic, new) as controller,
        Probe(lab, ACTIVE) as denied,
        Probe(lab, INSPECTED) as allowed,
    ):
        begun = time.time()
        assert answered(allowed, begun)
        controller.start_synced()
        assert answered(allowed, time.time())
        assert not denied.answered(begun)
        controller.stop()
        controller.cli("teardown")
        assert answered(denied, time.time())
    there.take_away()
