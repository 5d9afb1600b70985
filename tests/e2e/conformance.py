# SPDX-License-Identifier: Apache-2.0
"""What every filter driver has to do, and what each of them cannot.

The machines' states, the networks they ask on, the drivers; and for each
combination the one outcome that is expected of it: what the policy says, unless
a limit of that driver is documented here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """What a machine is to Ironic, and what the policy makes of that."""

    key: str
    text: str
    answered: bool
    # What becomes of unknown machines at that moment: the verdict of a driver that
    # does not recognize the machine.
    unknown: bool


STATES = [
    State("inspected", "being inspected", True, True),
    State("inspected_over", "its inspection is over", False, False),
    State("reinspected", "being inspected a second time", True, True),
    State("active", "in production, another one is inspected", False, True),
    State("idle", "in production, nothing is inspected", False, False),
    State("unknown_inspection", "unknown, another one is inspected", True, True),
    State("unknown_idle", "unknown, nothing is inspected", False, False),
    State("unknown_denied", "unknown, another one is inspected, deny_unknown_macs", False, False),
    State("inspected_denying", "being inspected, deny_unknown_macs", True, False),
    State("unknown_discovery", "unknown, discovery is on", True, True),
    State("active_discovery", "in production, discovery is on", False, True),
    State("removed_inspection", "deleted from Ironic, another one is inspected", True, True),
    State("removed_idle", "deleted from Ironic, nothing is inspected", False, False),
    State("reenrolled", "deleted, enrolled anew, another one is inspected", False, True),
    State("reenrolled_inspected", "deleted, enrolled anew, being inspected", True, True),
]

# How a request reaches the server, and the machines that ask in that way.
NETWORKS = {"flat": "flat{}", "VLAN": "vlan{}", "relayed": "leaf1n{}"}

OPEN = "open"  # everybody is answered
AS_UNKNOWN = "unknown"  # every machine is taken for one that Ironic does not know


@dataclass(frozen=True)
class Limit:
    """Something that a driver cannot do, and what happens instead."""

    network: str | None  # None: on all
    instead: str  # OPEN or AS_UNKNOWN
    why: str

    def __post_init__(self) -> None:
        if self.network is not None and self.network not in NETWORKS:
            raise ValueError(f"no network {self.network!r}, but {', '.join(NETWORKS)}")
        if self.instead not in (OPEN, AS_UNKNOWN):
            raise ValueError(f"{self.instead!r} is neither {OPEN} nor {AS_UNKNOWN}")


@dataclass(frozen=True)
class Variant:
    """A driver in one way of running it."""

    title: str
    driver: str
    limits: tuple[Limit, ...] = ()
    # The program behind iptables, ip6tables and so on; None: what is installed.
    xtables: str | None = None
    # Whether the server hears denied requests, too, and ignores them; None: nobody
    # has said, and either is right.
    server_hears_denied: bool | None = False

    def limit(self, network: str) -> Limit | None:
        return next((each for each in self.limits if each.network in (None, network)), None)

    def expected(self, state: State, network: str) -> bool:
        """Whether a machine in this state is answered there."""
        limit = self.limit(network)
        if limit is None:
            return state.answered
        return True if limit.instead == OPEN else state.unknown


_NO_RELAYS = Limit(
    "relayed",
    AS_UNKNOWN,
    "a relayed request comes with the relay's source address, by which iptables "
    "judges: every machine behind a relay counts as unknown",
)
VARIANTS = [
    Variant("xdp", "xdp"),
    Variant("nftables", "nftables"),
    Variant("iptables (nft)", "iptables", (_NO_RELAYS,), "xtables-nft-multi"),
    Variant("iptables (legacy)", "iptables", (_NO_RELAYS,), "xtables-legacy-multi"),
    Variant("dnsmasq", "dnsmasq", server_hears_denied=True),
    Variant("tor_switch (plugin)", "tor_switch"),
    Variant("noop", "noop", (Limit(None, OPEN, "noop filters nothing: everybody is answered"),)),
]


@dataclass(frozen=True)
class Cell:
    """What happened to a machine that asked."""

    answered: bool
    heard: int  # requests that reached the server
    ignored: int  # of which it said that it ignores them


# What a driver did: by state and network.
Results = dict[tuple[str, str], Cell]


def problem(variant: Variant, state: State, network: str, cell: Cell) -> str | None:
    """What is wrong with what happened; None where it is as expected."""
    expected = variant.expected(state, network)
    if cell.answered != expected:
        return "was not answered" if expected else "was answered"
    if expected and not cell.heard:
        return "was answered, but the server's log does not know of it"
    if expected or variant.server_hears_denied is None:
        return None
    if variant.server_hears_denied:
        if not cell.ignored:
            return "was not answered, but not because the server was told to ignore it"
    elif cell.heard:
        return f"was not answered, but {cell.heard} of its requests reached the server"
    return None


def problems(variant: Variant, results: Results) -> list[str]:
    found = []
    for state in STATES:
        for network in NETWORKS:
            wrong = problem(variant, state, network, results[state.key, network])
            if wrong:
                found.append(f"{variant.title}, {network}, {state.text}: {wrong}")
    return found


def expected_results(variant: Variant) -> Results:
    """As if the driver did what is expected, where that is all that counts."""
    results = {}
    for state in STATES:
        for network in NETWORKS:
            answered = variant.expected(state, network)
            results[state.key, network] = Cell(answered, int(answered), 0)
    return results


def limits(variants: Iterable[Variant]) -> list[tuple[str, str, str]]:
    """Each limit once: whose, where, why."""
    return [
        (variant.title, limit.network or "everywhere", limit.why)
        for variant in variants
        for limit in variant.limits
    ]
