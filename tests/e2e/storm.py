# SPDX-License-Identifier: Apache-2.0
"""Very many nodes that go into inspection at once and end it at random, in a real Ironic
with a real broker that is killed meanwhile; and how the filter did, as storm_checker.py
finds from Ironic's database and the kernel's maps."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ironic_database import keep_log, multiply, read_without_locks
from lab import IronicError, Lab, wait_for
from subject import ROOT, Controller, Sections

CHECKER = ROOT / "tests" / "e2e" / "storm_checker.py"
BROKER = "rabbit://pxegate:secret-of-pxegate@127.0.0.1:5672/"
# How many requests at a time: enough to keep a conductor busy all the time. With many
# more it answers none of them within the minute that Ironic's API waits for it.
CALLERS = 16
# Most of these wait for their moment.
ENDERS = 300
# Ironic asks inspector for each node that waits, and the BMCs of all; a storm of either
# is not what is looked at. Nor is the disk.
IRONIC_OPTIONS = """
[inspector]
status_check_period = 3600
[conductor]
sync_power_state_interval = 0
[database]
sqlite_synchronous = false
"""


def mac_of(i: int) -> str:
    return f"52:54:a0:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"


def control_mac_of(i: int) -> str:
    return f"52:54:c0:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"


@dataclass(frozen=True)
class Scale:
    """How large a storm is."""

    nodes: int
    control: int  # nodes that are never inspected
    broker_kills: int
    broker_down: float  # seconds, each time
    patience: float  # seconds that any one step may take
    left_open: float = 0.2  # the share of nodes that are not aborted
    again: float = 0.1  # of the aborted ones, that are inspected once more
    seed: int = 1
    wait: float = 10  # seconds that an inspection lasts at most, before its abort


@dataclass
class Account:
    """What the storm itself was like."""

    asked: int = 0
    aborted: int = 0
    inspected_again: int = 0
    refused: list[str] = field(default_factory=list)
    errors: int = 0  # answers of 500 and more; each was asked again
    seconds: float = 0
    seconds_to_equal: float = 0
    kills: list[float] = field(default_factory=list)


def prepare(lab: Lab, scale: Scale) -> dict[str, list[str]]:
    """Fills Ironic's database; returns the nodes' UUIDs, by what will happen to them."""
    config = lab.state_dir / "ironic" / "ironic.conf"
    with open(config, "a", encoding="utf-8") as file:
        file.write(IRONIC_OPTIONS)
    for service in ("ironic-conductor", "ironic-api"):
        lab.service(service, "restart")
    database = database_of(lab)
    lab.ironic.enroll("template", ["52:54:b0:00:00:01"], "manageable")
    found = {
        "storm": multiply(database, "template", scale.nodes, 1, mac_of, "storm"),
        "control": multiply(
            database, "template", scale.control, 1, control_mac_of, "control"
        ),
    }
    keep_log(database)
    return found


def database_of(lab: Lab) -> Path:
    return lab.state_dir / "ironic" / "ironic.sqlite"


def controller_sections(scale: Scale, with_broker: bool) -> Sections:
    sections: Sections = {
        # The checker reads Ironic's database, not inspector's.
        "inspector": {"endpoint_override": ""},
        # Small enough that a snapshot of all rules takes some microseconds.
        "xdp": {"max_clients": 4 * (scale.nodes + scale.control)},
    }
    if with_broker:
        sections["DEFAULT"] = {"transport_url": BROKER}
    return sections


class Checker:
    """storm_checker.py, on a lab's database and maps."""

    def __init__(self, lab: Lab, log: Path) -> None:
        self._where = ["--database", database_of(lab), "--pins", lab.pin_path]
        self._log = log

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Records as long as it is entered."""
        process = subprocess.Popen(
            self._command("record", *self._where, "--log", self._log)
        )
        try:
            started = wait_for(
                lambda: self._log.exists() and self._log.stat().st_size > 0, 60
            )
            assert started and process.poll() is None, "the recorder does not start"
            yield
        finally:
            process.terminate()
            assert process.wait(60) == 0, "the recorder failed"

    def differences(self) -> str:
        """Where filter and policy differ right now; empty where they do not."""
        done = subprocess.run(
            self._command("compare", *self._where), capture_output=True, text=True
        )
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        return done.stdout if done.returncode else ""

    def judge(self, lag: float) -> dict[str, Any]:
        done = subprocess.run(
            self._command("judge", "--log", self._log, "--lag", lag, "--json"),
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        return json.loads(done.stdout)

    def table(self, lag: float) -> str:
        """The judgement, for people."""
        return subprocess.run(
            self._command("judge", "--log", self._log, "--lag", lag),
            capture_output=True,
            text=True,
        ).stdout

    @staticmethod
    def _command(*arguments: Any) -> list[str]:
        return ["/usr/bin/python3", str(CHECKER), *map(str, arguments)]


class States:
    """What Ironic and ironic-inspector have in their databases: asking their APIs for it
    would keep them from the storm."""

    def __init__(self, lab: Lab) -> None:
        self._ironic = database_of(lab)
        self._inspector = lab.state_dir / "ironic" / "inspector.sqlite"
        read_without_locks(self._ironic)
        read_without_locks(self._inspector)

    def provision(self, node: str) -> str:
        return self._ask(
            self._ironic, "SELECT provision_state FROM nodes WHERE uuid = ?", node
        )

    def introspection(self, node: str) -> str:
        """Empty where inspector has not heard of it yet."""
        return self._ask(self._inspector, "SELECT state FROM nodes WHERE uuid = ?", node)

    def on_their_way(self) -> int:
        """How many nodes go from one state to another right now."""
        return int(
            self._ask(
                self._ironic,
                "SELECT count(*) FROM nodes WHERE provision_state = ?",
                "inspecting",
            )
        ) + int(
            self._ask(
                self._inspector,
                "SELECT count(*) FROM nodes WHERE state NOT IN "
                "('waiting', 'error', 'finished') AND uuid IS NOT ?",
                "",
            )
        )

    @staticmethod
    def _ask(database: Path, query: str, value: str) -> str:
        uri = f"file:{database}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
            row = connection.execute(query, [value]).fetchone()
        return str(row[0]) if row else ""


class Storm:
    """Inspections and their ends, by Ironic's API."""

    def __init__(self, lab: Lab, scale: Scale, nodes: list[str]) -> None:
        self.account = Account()
        self._lab = lab
        self._states = States(lab)
        self._scale = scale
        self._nodes = nodes
        self._random = random.Random(scale.seed)
        self._lock = threading.Lock()
        self._requests = threading.Semaphore(CALLERS)

    def run(self, kill_broker: Callable[[], None] | None) -> None:
        """Returns when all is done, and Ironic has come to rest."""
        scale, account = self._scale, self.account
        began = time.monotonic()
        order = self._random.sample(self._nodes, len(self._nodes))
        ends = order[: round(len(order) * (1 - scale.left_open))]
        again = set(ends[: round(len(ends) * scale.again)])
        delays = {node: self._random.random() * scale.wait for node in ends}
        done = threading.Event()
        killer = threading.Thread(target=self._kill, args=(kill_broker, done))
        with ThreadPoolExecutor(CALLERS) as callers, ThreadPoolExecutor(ENDERS) as enders:
            killer.start()
            aborts: list[Future[None]] = []

            def inspect(node: str) -> None:
                self._ask(node, "inspect")
                with self._lock:
                    account.asked += 1
                    if node in delays:
                        aborts.append(enders.submit(abort, node))

            def abort(node: str) -> None:
                time.sleep(delays[node])
                if not self._abort(node):
                    return
                with self._lock:
                    account.aborted += 1
                if node in again:
                    self._wait_put_away(node)
                    self._ask(node, "inspect")
                    with self._lock:
                        account.inspected_again += 1

            self._random.shuffle(order)
            try:
                for each in [callers.submit(inspect, node) for node in order]:
                    each.result()
                for each in aborts:
                    each.result()
            finally:
                done.set()
                killer.join()
        self._wait_rest()
        account.seconds = time.monotonic() - began

    def _kill(self, kill_broker: Callable[[], None] | None, done: threading.Event) -> None:
        """In the midst of it: at even shares of the nodes that were asked for."""
        if kill_broker is None:
            return
        kills, wanted = self._scale.broker_kills, len(self._nodes)
        for i in range(kills):
            while self.account.asked < wanted * (i + 1) / (kills + 1):
                if done.wait(0.1):
                    return
            self.account.kills.append(time.time())
            kill_broker()

    def _ask(self, node: str, verb: str) -> None:
        """Until Ironic has done it: a conductor that is too busy says so, or is late
        to tell the API that it did."""
        path = f"/v1/nodes/{node}/states/provision"
        deadline = time.monotonic() + self._scale.patience
        tries = 0
        while True:
            tries += 1
            try:
                with self._requests:
                    self._lab.ironic.request(
                        "PUT", path, {"target": verb}, timeout=self._scale.patience
                    )
                return
            except IronicError as error:
                late = tries > 1 and error.status == 400 and self._is_done(node, verb)
                if late:
                    return
                if error.status < 500 or time.monotonic() > deadline:
                    raise
                with self._lock:
                    self.account.errors += 1
            time.sleep(1)

    def _is_done(self, node: str, verb: str) -> bool:
        being_inspected = self._states.provision(node) in ("inspecting", "inspect wait")
        return being_inspected == (verb == "inspect")

    def _abort(self, node: str) -> bool:
        """False where the inspection ended by itself, which a busy Ironic may bring
        about; that is noted."""
        deadline = time.monotonic() + self._scale.patience
        while True:
            state = self._states.provision(node)
            if state not in ("inspecting", "inspect wait"):
                with self._lock:
                    self.account.refused.append(f"{node} is {state}")
                return False
            # "error": Ironic has not looked yet.
            started = self._states.introspection(node) in ("waiting", "error")
            if state == "inspect wait" and started:
                try:
                    self._ask(node, "abort")
                    return True
                except IronicError:
                    # Not while inspector talks to Ironic about this very node.
                    if time.monotonic() > deadline:
                        raise
            assert time.monotonic() < deadline, f"{node} cannot be aborted: {state}"
            time.sleep(0.5)

    def _wait_put_away(self, node: str) -> None:
        def put_away() -> bool:
            return self._states.introspection(node) == "error"

        assert wait_for(put_away, self._scale.patience, 0.3), node

    def _wait_rest(self) -> None:
        """No node may be on its way from one state to another."""

        def at_rest() -> bool:
            return not self._states.on_their_way()

        assert wait_for(at_rest, self._scale.patience, 0.3)


def run_storm(
    lab: Lab, scale: Scale, nodes: dict[str, list[str]], controller: Controller, log: Path
) -> tuple[Account, Checker]:
    """A storm under the eyes of the checker, until the filter equals the policy again;
    it is left to the caller to judge."""
    storm, checker = Storm(lab, scale, nodes["storm"]), Checker(lab, log)

    def kill_broker() -> None:
        lab.service("rabbitmq", "kill")
        time.sleep(scale.broker_down)
        lab.service("rabbitmq", "start")

    before = checker.differences()
    assert not before, before
    with checker.recording():
        storm.run(kill_broker if lab.with_rabbitmq else None)
        started = time.monotonic()
        equal = wait_for(lambda: not checker.differences(), scale.patience, 0.1)
        storm.account.seconds_to_equal = time.monotonic() - started
        assert equal, f"{checker.differences()}\n{controller.log()[-4000:]}"
        # And stays so.
        time.sleep(3)
        after = checker.differences()
        assert not after, after
    return storm.account, checker


def print_account(account: Account) -> None:
    print(
        f"\n{account.asked} inspections asked for, {account.aborted} aborted, "
        f"{account.inspected_again} asked for once more, in {account.seconds:.0f} s; "
        f"the broker was killed {len(account.kills)} times; "
        f"the filter equalled the policy {account.seconds_to_equal:.2f} s after the end"
    )
    if account.errors:
        print(f"answers of 500 and more, after which it was asked again: {account.errors}")
    if account.refused:
        print(f"ended by themselves: {len(account.refused)}; {account.refused[:3]}")
