# SPDX-License-Identifier: Apache-2.0
"""What each driver leaves behind: the events, the drivers, and for each the one
outcome that is expected."""

from __future__ import annotations

from dataclasses import dataclass, field

IN_FORCE = "in force"  # denied machines stay out, inspected ones are answered
CLOSED = "closed"  # nobody is answered
OPEN = "open"  # everybody is answered

EVENTS = {
    "unsynced": "started for the first time, Ironic does not answer",
    "dead Ironic": "Ironic dies, or answers 503, while it runs",
    "clean stop": "clean stop (SIGTERM)",
    "kill": "`kill -9`, out of memory",
    "restart": "`kill -9`, and started again",
    "teardown": "`pxegate teardown`",
}

# What it is called that there is of a driver on the host.
THINGS = {
    "xdp": "programs, pins",
    "iptables": "chain",
    "nftables": "table",
    "dnsmasq": "files",
    "tor_switch": "switch's list",
}


@dataclass(frozen=True)
class Left:
    """What becomes of requests, and what is on the host."""

    force: str
    drivers: tuple[str, ...] = ()  # of which there is something

    def __str__(self) -> str:
        things = ", ".join(THINGS[driver] for driver in self.drivers)
        return f"{self.force} ({things})" if things else self.force


@dataclass(frozen=True)
class Subject:
    """A driver with some of its options."""

    title: str
    driver: str
    options: dict[str, dict[str, str]] = field(default_factory=dict)
    # Whether the server is for the driver to start.
    starts_server: bool = False
    # Where it is not as with the drivers whose filter does not need a controller.
    other: dict[str, Left] = field(default_factory=dict)

    def expected(self, event: str) -> Left:
        if event in self.other:
            return self.other[event]
        if event == "teardown":
            return Left(OPEN)
        return Left(CLOSED if event == "unsynced" else IN_FORCE, (self.driver,))


_EVERYBODY = {event: Left(OPEN) for event in EVENTS}

SUBJECTS = [
    Subject("xdp", "xdp"),
    Subject(
        "xdp, `on_exit = detach`",
        "xdp",
        {"xdp": {"on_exit": "detach"}},
        other={"clean stop": Left(OPEN)},
    ),
    Subject("nftables", "nftables"),
    Subject("iptables", "iptables"),
    Subject("dnsmasq", "dnsmasq"),
    Subject(
        "dnsmasq, with start and stop command",
        "dnsmasq",
        {
            "dnsmasq_pxe_filter": {
                "dnsmasq_start_command": "{lab} dhcp restart",
                "dnsmasq_stop_command": "{lab} dhcp stop",
            }
        },
        starts_server=True,
        other={"clean stop": Left(CLOSED, ("dnsmasq",))},
    ),
    Subject("tor_switch (plugin)", "tor_switch"),
    Subject("noop", "noop", other=_EVERYBODY),
]


def rows(found: dict[str, dict[str, Left]]) -> list[list[str]]:
    """A header, and a row for each event; `found` by the subject's title."""
    table = [["what happens", *found]]
    for event, text in EVENTS.items():
        table.append([text, *(str(outcomes[event]) for outcomes in found.values())])
    return table


def expected_rows() -> list[list[str]]:
    return rows(
        {s.title: {event: s.expected(event) for event in EVENTS} for s in SUBJECTS}
    )
