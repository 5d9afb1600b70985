# SPDX-License-Identifier: Apache-2.0
"""Machines with real firmware try to boot through the filter, with a real Ironic:
what is expected of each, what becomes of it, and what its console says of that."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from firmware import BIOS, FIRMWARES, UEFI, Boot, boot_all
from subject import PATIENCE, Controller, Lab, Sections, wait_for

NETWORKS = {"flat": "flat{}", "leaf1": "leaf1n{}", "leaf2": "leaf2n{}"}
# A machine of each kind on each network, with each firmware: flat1 ... leaf2n6.
NUMBERS = {
    ("inspected", BIOS): 1,
    ("inspected", UEFI): 2,
    ("active", BIOS): 3,
    ("active", UEFI): 4,
    ("unknown", BIOS): 5,
    ("unknown", UEFI): 6,
}
ENROLLED = {"inspected": "manageable", "active": "active"}


@dataclass(frozen=True)
class Row:
    """A machine that is switched on in an act."""

    act: str
    kind: str
    firmware: str
    network: str
    boots: bool  # whether it must

    @property
    def host(self) -> str:
        return NETWORKS[self.network].format(NUMBERS[self.kind, self.firmware])

    def __str__(self) -> str:
        return f"{self.act}-{self.kind}-{self.firmware}-{self.network}"


@dataclass(frozen=True)
class Act:
    """Machines that are switched on at the same time."""

    name: str
    text: str
    driver: str = "xdp"
    dhcp_server: str = "dnsmasq"
    deny_unknown_macs: bool = True
    rows: tuple[Row, ...] = ()


def _act(name: str, text: str, rows: list[tuple[str, str, str, bool]], **how) -> Act:
    return replace(Act(name, text, **how), rows=tuple(Row(name, *row) for row in rows))


def _everywhere(kind: str, boots: bool) -> list[tuple[str, str, str, bool]]:
    return [(kind, firmware, network, boots) for firmware in FIRMWARES for network in NETWORKS]


ACTS = [
    _act(
        "guarded",
        "xdp; six machines are being inspected, unknown ones are denied",
        [
            *_everywhere("inspected", True),
            *_everywhere("active", False),
            *_everywhere("unknown", False),
        ],
    ),
    _act(
        "discovery",
        "xdp; unknown machines may boot while any is being inspected",
        _everywhere("unknown", True),
        deny_unknown_macs=False,
    ),
    _act(
        "noop",
        "no filter (noop): machines in production boot, too",
        [("active", BIOS, "flat", True), ("active", BIOS, "leaf1", True)],
        driver="noop",
    ),
    _act(
        "kea-xdp",
        "Kea instead of dnsmasq, on raw sockets; xdp",
        [
            ("inspected", BIOS, "flat", True),
            ("inspected", BIOS, "leaf1", True),
            ("inspected", UEFI, "leaf2", True),
            ("active", BIOS, "flat", False),
            ("active", BIOS, "leaf2", False),
        ],
        dhcp_server="kea",
    ),
    _act(
        "kea-nftables",
        "Kea; nftables, which a raw socket never meets",
        [("active", BIOS, "flat", True), ("active", BIOS, "leaf2", True)],
        driver="nftables",
        dhcp_server="kea",
    ),
    _act(
        "kea-iptables",
        "Kea; iptables, which a raw socket never meets",
        [("active", BIOS, "flat", True)],
        driver="iptables",
        dhcp_server="kea",
    ),
]


@dataclass(frozen=True)
class Result:
    """What happened to the machine of a row."""

    row: Row
    boot: Boot
    state: str  # in Ironic
    verdict: str  # the policy's, by the controller
    heard: int | None  # requests that reached the server; None: it does not say

    @property
    def problem(self) -> str | None:
        """What is wrong with it; None where it is as expected."""
        if self.boot.booted is None:
            return f"did not come to an end in {self.boot.seconds:.0f} s"
        if self.boot.booted != self.row.boots:
            return "booted" if self.boot.booted else "did not boot"
        if self.heard is not None and bool(self.heard) != self.row.boots:
            return f"{self.heard} of its requests reached the DHCP server"
        return None


class Play:
    """Takes the machines of a lab, and a controller there, through acts."""

    def __init__(self, lab: Lab, controller: Controller) -> None:
        self.lab = lab
        self.controller = controller
        self._dhcp_server = "dnsmasq"
        controller.set_defaults(
            {
                "pxe_filter": {"sync_period": 2},
                "nftables": {"interfaces": "prov0"},
                "iptables": {"dnsmasq_interface": "prov0"},
            }
        )

    def set_up(self) -> None:
        """Starts the controller, enrolls machines and has some of them inspected."""
        self._configure(ACTS[0])
        self.controller.start()
        ironic = self.lab.ironic

        def enroll(kind: str, host: str) -> None:
            ironic.enroll(host, [self.lab.mac(host)], ENROLLED[kind])
            if kind == "inspected":
                ironic.inspect(host)

        known = [(row.kind, row.host) for row in ACTS[0].rows if row.kind in ENROLLED]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: enroll(*each), known))
        self.controller.wait_synced()

    def play(self, act: Act, at_once: int = 9) -> dict[Row, Result]:
        """Switches the act's machines on; what became of each."""
        if act.dhcp_server != self._dhcp_server:
            self.lab.dhcp("restart", act.dhcp_server)
            self._dhcp_server = act.dhcp_server
        self._configure(act)
        self.controller.reread(r"SIGHUP: ")
        self._wait_for_policy(act)
        before = self._heard(act)
        boots = boot_all(self.lab, [(row.host, row.firmware) for row in act.rows], at_once)
        after = self._heard(act)
        states = {node["name"]: node["provision_state"] for node in self.lab.ironic.nodes()}
        return {
            row: Result(
                row,
                boots[row.host],
                states.get(row.host, "unknown"),
                self._verdict(row.host),
                after[row.host] - before[row.host] if after else None,
            )
            for row in act.rows
        }

    def _configure(self, act: Act) -> None:
        unknown = {"driver": act.driver, "deny_unknown_macs": act.deny_unknown_macs}
        self.controller.configure({"pxe_filter": unknown})

    def _wait_for_policy(self, act: Act) -> None:
        """Until the act's driver enforces what Ironic says by now."""

        def in_force() -> bool:
            status = self.controller.status()
            return bool(
                status
                and status["driver"]["name"] == act.driver
                and status["driver"]["healthy"]
                and all(
                    self._verdict(row.host) == self._expected_verdict(row, act)
                    for row in act.rows
                )
            )

        assert wait_for(in_force, PATIENCE, 0.2), self.controller.log()

    @staticmethod
    def _expected_verdict(row: Row, act: Act) -> str:
        allowed = row.kind == "inspected" or (
            row.kind == "unknown" and not act.deny_unknown_macs
        )
        return "allow" if allowed else "deny"

    def _verdict(self, host: str) -> str:
        return self.controller.api(f"/v1/policy?address={self.lab.mac(host)}")["verdict"]

    def _heard(self, act: Act) -> dict[str, int]:
        if act.dhcp_server != "dnsmasq":
            return {}
        return {row.host: self.lab.requests_heard(row.host) for row in act.rows}


def rows() -> list[Row]:
    return [row for act in ACTS for row in act.rows]


def table(results: Iterable[Result]) -> list[tuple[str, ...]]:
    """A header, and a row for each machine that was switched on."""
    header = ("MACHINE", "FIRMWARE", "WHERE", "IN IRONIC", "EXPECTED", "AFTER", "ITS LAST WORDS", "")
    found = [header]
    for result in results:
        row, boot = result.row, result.boot
        where = "on the spine" if row.network == "flat" else f"behind {row.network}"
        found.append(
            (
                row.host,
                {BIOS: "BIOS, iPXE", UEFI: "UEFI, OVMF"}[row.firmware],
                where,
                result.state,
                "boots" if row.boots else "finds no DHCP",
                f"{boot.seconds:.0f} s",
                boot.words,
                f"WRONG: {result.problem}" if result.problem else "OK",
            )
        )
    return found
