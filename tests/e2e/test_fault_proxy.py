# SPDX-License-Identifier: Apache-2.0
"""A real Ironic, and between it and the controller a proxy that does what networks,
load balancers and broken servers do: see fault_proxy.py. Each test is a fault. It
begins, a node goes into inspection and another one's inspection ends, it lasts for
some seconds, it ends. From before until after, two look on: one at the kernel's
maps, and machines that ask for addresses. Whatever happens, nobody may get in whom
Ironic does not have inspected.

What was seen is printed at the end, as docs/faults.md has it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fault_proxy
from fault_proxy import Fault, FaultProxy, Reply
from lab import Ironic, Lab, wait_for
from probe import Probe
from subject import PATIENCE, ROOT, Controller
from watch import PolicyWatch

WITH_IRONIC = True

# In inspection all the time, so that unknown machines are let through: whoever
# the policy forgets gets in.
OPEN = "flat1"
DENIED = ["flat2", "leaf1n2"]  # directly, and through a relay
TIMEOUT = 2
POLL_INTERVAL = 1
SYNC_PERIOD = 5
PAGE = 4  # where lists are to be long
# Of the full list of ports.
FIRST_PAGE = r"^/v1/ports\?(?!node=)(?!.*marker=)"
OTHER_PAGES = r"^/v1/ports\?(?!node=)(?=.*marker=)"


@dataclass
class Seen:
    """A row of the table."""

    fault: str
    wrong: int = 0
    caught_up: str = ""
    said: str = ""


class Newcomer:
    """A node that goes into inspection once."""

    def __init__(self, number: int) -> None:
        self.name = f"newcomer-{number}"
        self.mac = f"52:54:00:0f:00:{number:02x}"


class EmptyIronic:
    """Another real Ironic, whose database is as good as new. The conductor is the
    first one's: it is not needed for what is only read."""

    API = ("127.0.0.1", 6386)

    def __init__(self, lab: Lab) -> None:
        """Nobody has enrolled anything in the lab's Ironic yet."""
        state = lab.state_dir / "ironic"
        self._config = state / "empty.conf"
        database = state / "empty.sqlite"
        with (
            contextlib.closing(sqlite3.connect(state / "ironic.sqlite")) as first,
            contextlib.closing(sqlite3.connect(database)) as copy,
        ):
            first.backup(copy)
        config = (state / "ironic.conf").read_text(encoding="utf-8")
        changes = {str(state / "ironic.sqlite"): str(database), "port = 6385": "port = 6386"}
        for old, new in changes.items():
            assert old in config
            config = config.replace(old, new)
        self._config.write_text(config, encoding="utf-8")
        self._lab = lab
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> EmptyIronic:
        with open(self._lab.log_dir / "spine.empty-ironic.log", "ab") as log:
            self._process = self._lab.popen(
                "spine",
                ["ironic-api", "--config-file", self._config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # it has a child
            )
        return self

    def wait(self) -> None:
        def answers() -> bool:
            try:
                found = self._lab.ironic.request("GET", "/v1/nodes", server=self.API)
            except OSError:
                return False
            return found["nodes"] == []

        assert wait_for(answers, PATIENCE)

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class World:
    """A real Ironic, the proxy, a controller behind it, and who looks on."""

    def __init__(
        self, lab: Lab, proxy: FaultProxy, controller: Controller, empty: EmptyIronic
    ) -> None:
        self.lab = lab
        self.ironic = lab.ironic
        self.empty = empty
        self.proxy = proxy
        self.controller = controller
        self.watch: PolicyWatch
        self.table: list[Seen] = []
        self.spare: dict[str, str] = {}  # addresses of ports, by UUID
        self._waiting = [Newcomer(n) for n in range(1, NEWCOMERS + 1)]
        self._inspected: Newcomer | None = None

    # --- what Ironic has

    def enroll(self) -> None:
        mac = self.lab.mac
        # First, and so they are in every list.
        node = self.ironic.enroll("spare", [], "manageable")
        for number in range(SPARE_PORTS):
            address = f"52:54:00:0f:01:{number:02x}"
            self.spare[self.ironic.add_port(node, address)] = address
        nodes = [(OPEN, mac(OPEN), "inspect wait")]
        nodes += [(host, mac(host), "active") for host in DENIED]
        nodes += [(one.name, one.mac, "manageable") for one in self._waiting]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: self.ironic.enroll(node[0], [node[1]], node[2]), nodes))

    def denied(self) -> list[str]:
        macs = [self.lab.mac(host) for host in DENIED]
        return macs + [one.mac for one in self._waiting] + list(self.spare.values())

    @contextlib.contextmanager
    def emptied(self) -> Iterator[None]:
        """At Ironic's address another one answers, whose database is empty."""
        self.empty.wait()
        self.proxy.upstream = EmptyIronic.API
        try:
            yield
        finally:
            self.proxy.upstream = Ironic.API

    @contextlib.contextmanager
    def markers_that_go(self, times: int | None = None) -> Iterator[None]:
        """Full lists have many pages, and the last port of the first ones is gone
        when the next page is asked for."""
        self.proxy.page_size = PAGE
        try:
            delete = fault_proxy.then(self._delete_last_port)
            with self.proxy.faulty(Fault(delete, FIRST_PAGE, times)):
                yield
        finally:
            self.proxy.page_size = None

    def _delete_last_port(self, page: Reply) -> None:
        ports = page.json()["ports"]
        if len(ports) < PAGE or ports[-1]["uuid"] not in self.spare:
            return
        gone = ports[-1]["uuid"]
        self.watch.leave([self.spare.pop(gone)])
        self.ironic.request("DELETE", f"/v1/ports/{gone}")

    def news(self) -> tuple[str, str | None]:
        """One node's inspection begins, and another one's ends. Returns the MACs of
        both."""
        newcomer = self._waiting.pop(0)
        before, self._inspected = self._inspected, newcomer
        gone = [before.mac] if before else []
        self.watch.leave([newcomer.mac, *gone])
        self.ironic.inspect(newcomer.name)
        if before:
            self.ironic.abort(before.name)
        return newcomer.mac, before.mac if before else None

    # --- what the controller says of it

    def source(self) -> dict[str, Any]:
        (source,) = self.controller.status()["sources"]
        return source

    def fails(self) -> bool:
        return self.source()["consecutive_failures"] > 0

    def wait_another_failure(self) -> None:
        """Until something has failed that began after now."""

        def failures() -> int:
            return self.source()["consecutive_failures"]

        before = failures()
        # It may end well in between, and begin to count anew.
        assert wait_for(lambda: failures() not in (0, before), PATIENCE, 0.01)

    def said(self) -> str:
        """The last error, as the table has it."""
        text = self.source()["last_error"] or ""
        text = text.replace(self.proxy.url, "http://ironic")
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
        text = re.sub(r" \(is Ironic running .*\)$", "", text)
        text = re.sub(r" \((this is number|ports that it lacks) .*$", "", text)
        text = re.sub(r': "out of order.*', "", text)
        return re.sub(r"\?[^ :]*", "?…", text)

    def sync(self, *options: str) -> str:
        """What is wrong with a full list made now; empty where nothing is."""
        done = self.controller.cli("sync", "--timeout", str(PATIENCE), *options, check=False)
        assert bool(done.returncode) == bool(done.stderr), done
        return done.stderr

    def wait_healthy(self) -> None:
        def healthy() -> bool:
            said = self.sync()
            status = self.controller.cli("status", check=False)
            return not said and not self.fails() and status.returncode == 0

        assert wait_for(healthy, PATIENCE, 0.2), self.controller.log()

    # --- one fault

    @contextlib.contextmanager
    def looked_at(self, name: str, open_stays: bool = True) -> Iterator[Seen]:
        """Has the watch and the machines look on; a row of the table is made."""
        seen = Seen(name)
        self.watch.wrong.clear()
        self.watch.forbid(self.denied())
        opened = [self.lab.mac(OPEN)]
        opened += [self._inspected.mac] if self._inspected else []
        (self.watch.require if open_stays else self.watch.leave)(opened)
        heard = {host: self.lab.requests_heard(host) for host in DENIED}
        with contextlib.ExitStack() as stack:
            asking = stack.enter_context(Probe(self.lab, OPEN))
            shut = [stack.enter_context(Probe(self.lab, host)) for host in DENIED]
            yield seen
            ended = time.time()
        assert not self.watch.wrong, f"{self.watch.wrong}\n{self.controller.log()}"
        for probe in shut:
            assert len(probe.requests) > 10
            assert not probe.answered(), f"{probe.host} was answered"
        assert {host: self.lab.requests_heard(host) for host in DENIED} == heard
        assert asking.answered(), "nobody was ever answered"
        if open_stays:
            # An answer to one of the last may be on its way.
            lost = [one for one in asking.unanswered() if one.sent < ended - 1]
            assert not lost, f"{OPEN} was shut out for a moment"
        self.table.append(seen)

    def wait_caught_up(self, opens: str, closes: str | None) -> float:
        """Seconds until the news are in force."""
        since = time.monotonic()

        def in_force() -> bool:
            state = self.watch.now()
            return state.allows(opens) and not (closes and state.allows(closes))

        assert wait_for(in_force, PATIENCE, 0.005), self.controller.log()
        took = time.monotonic() - since
        self.watch.require([opens])
        self.watch.forbid([closes] if closes else [])
        return took


@pytest.fixture(scope="module")
def world(lab: Lab) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        empty = stack.enter_context(EmptyIronic(lab))
        proxy = stack.enter_context(FaultProxy(lab.namespace("spine"), Ironic.API))
        controller = stack.enter_context(Controller(lab))
        controller.set_defaults(
            {
                "ironic": {"endpoint_override": proxy.url, "timeout": TIMEOUT},
                # What is told by ironic-inspector would not be caught up with.
                "inspector": {"endpoint_override": ""},
                "pxe_filter": {"poll_interval": POLL_INTERVAL, "sync_period": SYNC_PERIOD},
                # Few buckets are quickly looked at.
                "xdp": {"max_clients": 1024},
            }
        )
        controller.configure({})
        made = World(lab, proxy, controller, empty)
        made.enroll()
        controller.start_synced()
        controller.wait_enforced({lab.mac(OPEN): "allow", "unknown": "allow"})
        made.watch = stack.enter_context(PolicyWatch(lab.pin_path / "maps"))
        yield made
        print_table(made)


def print_table(world: World) -> None:
    print("\n\n| fault | wrong verdicts | caught up after | `status` said |")
    print("| --- | --- | --- | --- |")
    for row in world.table:
        print(f"| {row.fault} | {row.wrong} | {row.caught_up} | {row.said} |")
    watch = world.watch
    print(f"\n{watch.looks} looks at the maps, {watch.longest_gap * 1000:.0f} ms apart at most")


# --- The faults -----------------------------------------------------------------


During = Callable[[World], contextlib.AbstractContextManager[None]]


def always(action: fault_proxy.Action, match: str = "") -> During:
    return lambda world: world.proxy.faulty(Fault(action, match))


def until(seconds: float) -> During:
    """503, and when to come again as a date."""
    return lambda world: world.proxy.faulty(
        Fault(fault_proxy.status(503, Retry_After=fault_proxy.http_date(seconds)))
    )


@contextlib.contextmanager
def down(world: World) -> Iterator[None]:
    world.proxy.hang_up()
    try:
        yield
    finally:
        world.proxy.listen()


@dataclass
class Case:
    """What goes wrong, and what is to be said about it."""

    during: During
    says: str | None  # a regular expression; None: it works all the same
    # Nothing that Ironic says is whole: the policy stays as it is.
    deaf: bool = True
    # It goes on until the policy is told to be out of date.
    until_stale: bool = False
    # How long it takes to try again by itself is looked at, too.
    backs_off: bool = False


CASES = {
    "each answer 0.7 s late": Case(
        always(fault_proxy.latency(0.7)), says=None, deaf=False
    ),
    "connections that are refused": Case(
        down, r"[Cc]onnect.*refused|Failed to connect", backs_off=True
    ),
    "no answer at all": Case(always(fault_proxy.no_answer), r"[Tt]imed? ?out"),
    "connections that are reset": Case(
        always(fault_proxy.reset), r"[Rr]eset|Recv failure", until_stale=True, backs_off=True
    ),
    "reset in the middle of an answer": Case(
        always(fault_proxy.reset_in_the_body), r"[Rr]eset|Recv failure"
    ),
    "half of the headers": Case(always(fault_proxy.half_headers), r"cut off in its headers"),
    "half of the answer": Case(always(fault_proxy.half_answer), r"GET.*(closed|outstanding)"),
    "half of the answer, told to be all": Case(
        always(fault_proxy.half_answer_as_whole), r"the JSON is cut off after \d+ bytes"
    ),
    "a byte every 0.1 s": Case(
        always(fault_proxy.dripping_body(0.1)), r"[Tt]imed? ?out|stalled"
    ),
    "headers, a byte every 0.1 s": Case(
        always(fault_proxy.dripping_headers(0.1)), r"[Tt]imed? ?out|stalled"
    ),
    "429 with `Retry-After: 3`": Case(
        always(fault_proxy.status(429, Retry_After="3")),
        r"HTTP 429 Too Many Requests",
        backs_off=True,
    ),
    "503 with a date in `Retry-After`": Case(
        until(5), r"HTTP 503 Service Unavailable", backs_off=True
    ),
    "every second answer a 500": Case(
        always(fault_proxy.in_turn(fault_proxy.pass_on, fault_proxy.status(500))),
        r"HTTP 500",
        deaf=False,
        backs_off=True,
    ),
    "every third answer a reset, the next one half": Case(
        always(
            fault_proxy.in_turn(
                fault_proxy.pass_on, fault_proxy.reset, fault_proxy.half_answer
            )
        ),
        r"GET",
        deaf=False,
        backs_off=True,
    ),
    "full lists cut off, polls whole": Case(
        always(fault_proxy.half_answer, match="/v1/ports"),
        r"GET.*/v1/ports",
        deaf=False,
        backs_off=True,
    ),
}
NEWCOMERS = len(CASES) + 12
SPARE_PORTS = 6 * PAGE


@pytest.mark.parametrize("name", CASES)
def test_nobody_gets_in_by_a_fault(world: World, name: str) -> None:
    case = CASES[name]
    with world.looked_at(name) as seen:
        before = world.watch.now().rules
        with case.during(world):
            if case.says:
                assert wait_for(world.fails, PATIENCE, 0.02), world.controller.log()
            opens, closes = world.news()
            if case.says:
                if case.backs_off:
                    world.wait_another_failure()
                else:
                    assert world.sync()
                error = world.source()["last_error"]
                assert re.search(case.says, error), error
                assert f"GET {world.proxy.url}/v1/" in error
                seen.said = world.said()
            else:
                seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s, meanwhile"
                assert wait_for(lambda: not world.fails(), PATIENCE), world.source()
                seen.said = "healthy"
            if case.until_stale:
                assert wait_for(lambda: world.controller.status()["sync"]["stale"], PATIENCE)
                status = world.controller.cli("status", check=False)
                assert status.returncode == 1
                assert "NOT HEALTHY: the policy in force is out of date" in status.stdout
                assert f"GET {world.proxy.url}/v1/" in status.stdout
                seen.said = f"NOT HEALTHY: the policy in force is out of date … {seen.said}"
            if case.deaf:
                assert world.watch.now().rules == before
        if case.says and case.backs_off:
            seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s"
        elif case.says:
            assert wait_for(lambda: not world.sync(), PATIENCE), world.controller.log()
            seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s after `pxegate sync`"
        world.wait_healthy()


# --- Lists that cannot be read, or not be believed ---------------------------------


def test_a_marker_that_goes_while_a_list_is_read(world: World) -> None:
    with world.looked_at("a port deleted mid-list, the marker") as seen:
        left = len(world.spare)
        with world.markers_that_go(times=1):
            opens, closes = world.news()
            assert wait_for(lambda: not world.sync(), PATIENCE), world.controller.log()
            assert len(world.spare) == left - 1
            assert not world.fails(), world.source()
            seen.said = "healthy"
            seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s, meanwhile"
        world.wait_healthy()


def test_markers_that_go_all_the_time(world: World) -> None:
    with world.looked_at("the marker deleted at each page") as seen:
        with world.markers_that_go():
            # Ironic may be slow to delete a port, so that another request fails.
            changed = "the list changed 6 times while it was read"
            assert wait_for(lambda: changed in world.sync(), PATIENCE), world.controller.log()
            assert world.fails()
            seen.said = world.said()
            opens, closes = world.news()
            # Polls go on.
            seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s, meanwhile"
        world.wait_healthy()


def a_quarter(answer: Any) -> Any:
    """As if that were all: there is nothing after it, see `faults_of`."""
    return {**answer, "ports": answer["ports"][: len(answer["ports"]) // 4]}


SHORT = {
    "a list without any port, twice": fault_proxy.empty_database,
    "a list with a quarter of the ports, twice": fault_proxy.changed(a_quarter),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_short_list_is_held_back(world: World, name: str) -> None:
    """While polls tell that nodes are being inspected, so that whoever were
    forgotten would be let in."""

    def first_pages(times: int) -> Fault:
        return Fault(SHORT[name], FIRST_PAGE, times=times)

    nothing_more = Fault(
        fault_proxy.changed(lambda answer: {**answer, "ports": []}),
        OTHER_PAGES,
    )

    def held_back() -> bool:
        return "held back" in (world.source()["last_error"] or "")

    with world.looked_at(name) as seen:
        before = world.watch.now().rules
        short = first_pages(times=2)
        with world.proxy.faulty(short, nothing_more):
            # The second may be one that was due anyway.
            assert "held back" in world.sync()
            assert held_back()
            assert "held back" in world.controller.cli("status", check=False).stdout
            assert world.watch.now().rules == before
            seen.said = world.said()
            opens, closes = world.news()
            world.sync()
            assert wait_for(lambda: short.hits == 2, PATIENCE)
            seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s, meanwhile"
        world.wait_healthy()


EMPTY: dict[str, During] = {
    "answers as from an empty database": always(fault_proxy.empty_database),
    "another Ironic, whose database is empty": World.emptied,
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_database_and_then_the_right_one(world: World, name: str) -> None:
    """Believed when it was confirmed twice, and wrong all the same: what comes back
    then comes back as a whole, and not the open nodes first."""
    row = f"{name}, until they are believed, and the right one again"
    with world.looked_at(row, open_stays=False) as seen:
        before = world.watch.now().rules
        with EMPTY[name](world):
            assert "held back" in world.sync()
            assert "held back" in world.source()["last_error"]
            assert world.watch.now().rules.keys() == before.keys()
            seen.said = world.said()
            opens, closes = world.news()
            assert wait_for(lambda: not world.sync(), PATIENCE), world.controller.log()
            assert not world.watch.now().rules
            assert not world.watch.now().unknown
        seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s"
        world.wait_healthy()


def test_an_empty_ironic_is_believed_by_force(world: World) -> None:
    row = "another Ironic, whose database is empty, and `pxegate sync --force`"
    with world.looked_at(row, open_stays=False) as seen:
        with world.emptied():
            assert "held back" in world.sync()
            opens, closes = world.news()
            # At once, and whoever asked is told that it was by force.
            done = world.controller.cli("sync", "--force", "--timeout", str(PATIENCE))
            assert "by force" in done.stdout
            state = world.watch.now()
            assert not state.rules and not state.unknown
            assert world.controller.cli("status").returncode == 0
            status = world.controller.status()
            assert status["sync"]["held_back"] is None
            assert status["inventory"]["ports"] == 0
            seen.said = "healthy"
        seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s"
        world.wait_healthy()


def test_a_controller_that_is_killed_while_a_list_is_held_back(world: World) -> None:
    row = "another Ironic, whose database is empty; the controller is killed, and starts again"
    controller = world.controller

    def held_back() -> bool:
        status = controller.status()
        return bool(status and status["sync"]["held_back"])

    with world.looked_at(row, open_stays=False) as seen:
        with world.emptied():
            assert "held back" in world.sync()
            opens, closes = world.news()
            before = world.watch.now()
            controller.kill()
            controller.start()
            assert wait_for(held_back, PATIENCE, 0.05), controller.log()
            # It counts anew, so there is time to look before it is believed.
            status = controller.status()
            assert status["sync"]["held_back"]["what"] == "rules"
            assert not status["sync"]["synced"]
            assert world.watch.now().rules == before.rules
            assert not world.watch.now().unknown
            assert controller.cli("status", check=False).returncode == 1
            seen.said = f"NOT HEALTHY: no complete list … was enforced … {world.said()}"
        world.sync()
        seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s after `pxegate sync`"
        world.wait_healthy()


def test_two_truths_in_turn(world: World) -> None:
    """Two servers behind one address, one of which has an empty database."""
    with world.looked_at("the right database and an empty one, in turn", False) as seen:
        turns = fault_proxy.in_turn(fault_proxy.pass_on, fault_proxy.empty_database)
        with world.proxy.faulty(Fault(turns)):
            said = [world.sync()]
            opens, closes = world.news()
            said += [world.sync() for _ in range(6)]
            assert any(said), "every list was believed"
            seen.said = world.said()
        # Lists that failed so often are tried seldom.
        world.sync()
        seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s after `pxegate sync`"
        world.wait_healthy()


# --- Time --------------------------------------------------------------------------

DAYS = 400


def ages(document: Any, where: str = "status") -> Iterator[tuple[str, float]]:
    """Whatever is an age in it, and known."""
    if isinstance(document, list):
        for number, each in enumerate(document):
            yield from ages(each, f"{where}[{number}]")
    elif isinstance(document, dict):
        for name, value in document.items():
            if re.search(r"(^|_)age$|^uptime$", name) and value is not None:
                yield f"{where}.{name}", value
            else:
                yield from ages(value, f"{where}.{name}")


def test_a_clock_that_jumps(world: World, tmp_path: Path) -> None:
    """The wall clock; the filter's lease and all waiting go by another one."""
    library = tmp_path / "jumping_clock.so"
    source = ROOT / "tests" / "support" / "jumping_clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("=q", 0))
    controller = world.controller
    controller.kill()
    controller.env = {**os.environ, "LD_PRELOAD": str(library), "JUMPING_CLOCK": str(offset)}
    started = time.monotonic()
    controller.start_synced()
    # Something to be told of with its age.
    with world.proxy.faulty(Fault(fault_proxy.status(503), FIRST_PAGE)):
        assert "HTTP 503" in world.sync()
    assert not world.sync()
    for what, seconds in (("forward", DAYS * 86400), ("back", -DAYS * 86400)):
        with world.looked_at(f"a clock that jumps {DAYS} days {what}") as seen:
            with open(offset, "r+b") as file:
                file.write(struct.pack("=q", seconds))
            opens, closes = world.news()
            seen.caught_up = f"{world.wait_caught_up(opens, closes):.1f} s"
            world.wait_healthy()
            status = controller.status()
            now = time.gmtime(time.time() + seconds)
            assert status["sync"]["last_poll"].startswith(time.strftime("%Y-%m-", now))
            told = dict(ages(status))
            assert {
                "status.uptime",
                "status.sync.last_poll_age",
                "status.sync.last_full_sync_age",
                "status.sync.last_change_age",
                "status.sync.last_renewal_age",
                "status.sources[0].last_success_age",
                "status.sources[0].last_error_age",
            } <= told.keys()
            lived = time.monotonic() - started
            assert all(0 <= age <= lived for age in told.values()), told
            # What was before the jump is that old, and not of a moment ago.
            assert told["status.sources[0].last_error_age"] > told["status.sync.last_poll_age"]
            assert 0 <= controller.json("policy")["age"] <= lived
            seen.said = "healthy"
