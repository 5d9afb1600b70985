# SPDX-License-Identifier: Apache-2.0
"""The play of scripts/demo: a lab, a filter, machines that ask, a verdict."""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import SCRIPTS, Answer, Lab, wait_for
from probe import Probe
from screen import OutputGone, Screen

ROOT = SCRIPTS.parent
NAME = "demo"
STATE = ROOT / "build" / "lab" / NAME
LOGS = ROOT / "build" / "demo-logs"  # what stays of a run that failed
SEGMENTS = ("flat", "leaf1", "leaf2")
POLL_INTERVAL = 2.0

BIOS = {"vendor_class": "PXEClient:Arch:00000:UNDI:002001", "architecture": 0}
UEFI = {"vendor_class": "PXEClient:Arch:00007:UNDI:003016", "architecture": 7}


class DemoError(Exception):
    """The demo could not be played to its end."""


class Interrupted(Exception):
    """The user wants it to stop."""


@dataclass(frozen=True)
class Kind:
    """A sort of machine; there is one of each on every segment."""

    number: int  # in the host's name: flat2, leaf1n2, leaf2n2
    who: str
    enrolled: str | None  # the state it is enrolled in, None: not at all

    @property
    def hosts(self) -> list[str]:
        return [f"flat{self.number}"] + [
            f"{leaf}n{self.number}" for leaf in SEGMENTS[1:]
        ]


INSPECTED = Kind(1, "new, is going to be inspected", "manageable")
PRODUCTION = Kind(2, "in production: must never boot anything else", "active")
IDLE = Kind(3, "ready to be handed to a user", "available")
LEAVING = Kind(4, "will be deleted from Ironic", "available")
STRANGER = Kind(5, "nobody has told Ironic about it", None)
KINDS = (INSPECTED, PRODUCTION, IDLE, LEAVING, STRANGER)

NOT_ENROLLED = "not enrolled"

# The rules `pxegate policy` names, in a few words.
WHY = {
    "being_inspected": "being inspected",
    "introspected": "being inspected",
    "not_inspected": "not inspected",
    "unknown_inspection": "unknown, let in",
    "unknown_idle": "unknown, denied",
}


@dataclass(frozen=True)
class Outcome:
    """What happened when a machine asked."""

    act: str
    kind: Kind
    host: str
    state: str  # in Ironic
    expected: bool
    answer: Answer | None
    why: str

    @property
    def segment(self) -> str:
        return self.host[: len("leaf1")] if self.host.startswith("leaf") else "flat"

    @property
    def answered(self) -> bool:
        return self.answer is not None

    @property
    def right(self) -> bool:
        return self.answered == self.expected


def why(policy: dict[str, Any]) -> str:
    """What `pxegate policy MAC --json` names as its reason, in a few words."""
    if rule := policy.get("rule"):
        return WHY.get(rule, rule)
    # While no controller runs there is only what is in the kernel.
    verdict = policy.get("verdict", "?")
    if policy.get("known"):
        return f"rule kept: {verdict}"
    return {"allow": "unknown, let in", "deny": "unknown, denied"}.get(verdict, "?")


class Filter:
    """`pxegate` on the spine: the controller and the commands."""

    def __init__(self, lab: Lab, binary: Path, driver: str) -> None:
        self._lab = lab
        self._binary = binary
        self._driver = driver
        self._process: subprocess.Popen[Any] | None = None
        self.config = STATE / "pxegate.conf"
        self.log = STATE / "log" / "spine.pxegate.log"
        self.events = STATE / "log" / "spine.events.log"

    def write_config(self) -> None:
        role = [SCRIPTS / "roles" / "pxegate", self._driver, STATE, self._lab.pin_path]
        with open(self.config, "wb") as config:
            subprocess.run(role, stdout=config, check=True)

    def start(self) -> None:
        """Starts the controller; returns once it is in step with Ironic."""
        with open(self.log, "ab") as log:
            self._process = self._lab.popen(
                "spine",
                self._argv("run"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The terminal's Ctrl-C is for the demo to handle.
                start_new_session=True,
            )
        if not wait_for(self._is_ready, 60, 0.1):
            raise DemoError(f"pxegate does not get healthy:\n{self.text('status')}")

    def _is_ready(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            raise DemoError(f"`pxegate run` has ended:\n{_tail(self.log)}")
        status = self.json("status")
        return bool(status.get("controller_running") and status.get("healthy"))

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if not self._process or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Has `pxegate events --follow` write to `self.events` meanwhile."""
        with open(self.events, "wb") as out:
            follower = self._lab.popen(
                "spine",
                self._argv("events", "--follow"),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            yield
        finally:
            follower.send_signal(signal.SIGINT)
            try:
                status = follower.wait(10)
            except subprocess.TimeoutExpired:
                follower.kill()
                raise DemoError("`pxegate events --follow` does not end on Ctrl-C") from None
        if status != 0:
            raise DemoError(f"`pxegate events --follow` has failed:\n{_tail(self.events)}")

    def event_lines(self) -> list[str]:
        return self.events.read_text(encoding="utf-8", errors="replace").splitlines()

    def text(self, *command: str) -> str:
        done = self._lab.exec("spine", self._argv(*command), check=False)
        return (done.stdout + done.stderr).rstrip()

    def json(self, *command: str) -> dict[str, Any]:
        """What a command says with --json; empty where it says nothing."""
        done = self._lab.exec("spine", self._argv(*command, "--json"), check=False)
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            return {}

    def why(self, mac: str) -> str:
        return why(self.json("policy", mac))

    def is_closed(self) -> bool:
        policy = self.json("policy")
        return policy.get("allowed") == 0 and policy.get("unknown") == "deny"

    def is_open_for(self, mac: str) -> bool:
        return self.json("policy", mac).get("verdict") == "allow"

    def _argv(self, *command: str) -> list[str | Path]:
        return [self._binary, "--config-file", self.config, *command]


class Demo:
    """The acts, in their order, and what came out of them."""

    def __init__(self, screen: Screen, binary: Path, driver: str, keep: bool) -> None:
        self.screen = screen
        self.lab = Lab(NAME)
        self.filter = Filter(self.lab, binary, driver)
        self.binary = binary
        self.driver = driver
        self.keep = keep
        self.acts: dict[str, str] = {}
        self.outcomes: list[Outcome] = []
        # Production machines that got through to the server between two asks.
        self.leaked: dict[str, int] = {}
        self._filtering = False
        self._label = "Saw"  # only the first thing seen in an act has it
        self._started = time.monotonic()

    # --- The play ------------------------------------------------------------

    def play(self) -> bool:
        self.set_up()
        self.introduce()
        self.without_filter()
        self.nothing_inspected()
        self.inspections()
        self.inspections_end()
        self.controller_dies()
        return self.show_results()

    def set_up(self) -> None:
        if STATE.exists() or self.lab.pin_path.exists():
            with self.screen.progress("removing what an earlier demo left"):
                _run_lab("down")
        with self.screen.progress("bringing the network and Ironic up"):
            _run_lab("up")
        with self.screen.progress("enrolling 12 machines through Ironic's API"):
            known = [(k, h) for k in KINDS if k.enrolled for h in k.hosts]
            _in_parallel(lambda each: self._enroll(*each), known, workers=4)

    def _enroll(self, kind: Kind, host: str) -> None:
        assert kind.enrolled
        self.lab.ironic.enroll(host, [self.lab.mac(host)], kind.enrolled)

    def introduce(self) -> None:
        self.screen.title("The network")
        self.screen.line(
            """\
             spine            prov0 192.0.2.1: the inspection DHCP server, Ironic,
               |              and soon pxegate, which guards prov0
       +-------+-------+--------------+
     leaf1           leaf2       flat1 .. flat5
   DHCP relay      DHCP relay         ask directly
       |               |
 leaf1n1 .. n5    leaf2n1 .. n5       ask through their leaf's relay
"""
        )
        rows = [("MACHINES", "WHO THEY ARE", "IN IRONIC")]
        for kind in KINDS:
            state = kind.enrolled or NOT_ENROLLED
            rows.append((", ".join(kind.hosts), kind.who, state))
        self.screen.table(rows, lambda cell: "bold" if cell.isupper() else None)

    def without_filter(self) -> None:
        self._act(
            "0",
            "Without a filter",
            "let all 15 machines ask, as their firmware does when it is switched on. "
            "Nothing filters.",
            "every one is answered, the three in production too: that is the danger. "
            "A server that boots a deployment image by mistake may lose its disks.",
        )
        self._ask_all(expect_answer=KINDS)
        for each in self.outcomes:
            if each.kind == PRODUCTION and each.answer:
                self._saw(
                    f"{each.host}, in production, was given {each.answer.address} "
                    f"and told to boot {each.answer.boot_file}."
                )

    def nothing_inspected(self) -> None:
        self._act(
            "1",
            "pxegate starts, nothing is being inspected",
            f"start `pxegate run` (driver {self.driver}) for the interface prov0.",
            "silence for everybody: no node is being inspected, so no machine, "
            "known or unknown, has business with this DHCP server.",
        )
        self.filter.write_config()
        started = time.monotonic()
        self.filter.start()
        self._filtering = True
        self._saw(
            f"in force and in step with Ironic {time.monotonic() - started:.1f} s "
            "after the start."
        )
        self._ask_all(expect_answer=())

    def inspections(self) -> None:
        self._act(
            "2",
            "Ironic inspects a machine on each segment",
            "ask Ironic's API to inspect flat1, leaf1n1 and leaf2n1. pxegate asks "
            f"Ironic every {POLL_INTERVAL:.0f} s what is being inspected.",
            "these three are answered, the ones in production and the idle ones are "
            "not. Unknown machines are, while anything is being inspected: Ironic may "
            "not know yet all network cards of the machine it inspects (turn that "
            "off with deny_unknown_macs).",
        )
        self._measure_opening()
        if self.driver != "xdp":  # the others see no requests
            self._ask_all(expect_answer=(INSPECTED, STRANGER))
            return
        with self.filter.following():
            # From the first line on whatever falls is told.
            wait_for(self.filter.event_lines, 10)
            self._ask_all(expect_answer=(INSPECTED, STRANGER))
            self._wait_for_events()
        self._show_events()

    def _wait_for_events(self) -> None:
        macs = [self.lab.mac(host) for kind in KINDS for host in kind.hosts]
        silent: list[str] = []

        def told_of_all() -> bool:
            told = "\n".join(self.filter.event_lines())
            silent[:] = [mac for mac in macs if mac not in told]
            return not silent

        if not wait_for(told_of_all, 10):
            raise DemoError(f"`pxegate events --follow` has not told of {', '.join(silent)}")

    def _show_events(self) -> None:
        """The header, and the last line of each machine."""
        self._saw("what `pxegate events --follow` told meanwhile, each machine's last line:")
        header, *lines = self.filter.event_lines()
        last = {}
        for line in lines:
            for kind in KINDS:
                for host in kind.hosts:
                    if self.lab.mac(host) in line:
                        last[host] = line
        self.screen.line(self.screen.styled(header, "bold"))
        for line in sorted(last.values()):
            self.screen.line(line)

    def _measure_opening(self) -> None:
        hosts = INSPECTED.hosts
        ironic = self.lab.ironic
        with (
            self.screen.progress("inspecting", transient=True),
            contextlib.ExitStack() as asking,
        ):
            probes = {h: asking.enter_context(Probe(self.lab, h)) for h in hosts}
            asked = dict(zip(hosts, _in_parallel(lambda h: ironic.inspect(h, wait=False), hosts)))
            powered = dict(
                zip(
                    hosts,
                    _in_parallel(lambda h: ironic.wait_power_on(h, asked[h]), hosts),
                )
            )
            wait_for(
                lambda: all(probes[h].first_answered_since(asked[h]) for h in hosts),
                10 * POLL_INTERVAL,
            )
        rows = [("SINCE THE API CALL", "IRONIC POWERS ON", "FILTER IS OPEN")]
        late = []
        for host in hosts:
            opened = probes[host].first_answered_since(asked[host])
            power_on = powered[host] - asked[host]
            delay = f"after {opened - asked[host]:.2f} s" if opened else "never"
            rows.append((host, f"after {power_on:.2f} s", delay))
            if not opened or opened - powered[host] > POLL_INTERVAL + 0.5:
                late.append(host)
        self.screen.table(
            [("     ", *row) for row in rows],
            lambda cell: "bold" if cell.isupper() else None,
        )
        self._saw(
            f"{', '.join(late)} opened later than promised"
            if late
            else "in time; the promise is 2.5 s after power-on at the latest, and "
            "firmware takes ten seconds and more to its first request."
        )

    def inspections_end(self) -> None:
        self._act(
            "3",
            "The inspections end, and machines leave Ironic",
            "let flat1 and leaf1n1 report their hardware, abort leaf2n1, then delete "
            "flat4, leaf1n4 and leaf2n4 from Ironic.",
            "silence for everybody again; the deleted ones count as unknown now.",
        )
        ironic = self.lab.ironic
        finished, aborted = INSPECTED.hosts[:2], INSPECTED.hosts[2:]
        with self.screen.progress("ending the inspections", transient=True):
            _in_parallel(ironic.finish_inspection, finished)
            _in_parallel(ironic.abort, aborted)
            ended = time.monotonic()
            closed = wait_for(self.filter.is_closed, 30, 0.1)
        delay = time.monotonic() - ended
        self._saw(
            f"{delay:.1f} s after the last inspection had ended, pxegate's policy "
            "was closed again."
            if closed
            else f"pxegate's policy is still open after {delay:.0f} s."
        )
        with self.screen.progress("deleting three nodes", transient=True):
            _in_parallel(ironic.delete, LEAVING.hosts)
        self._saw("after the deletion, `pxegate sync`, not to wait for the next sync:")
        self._command("sync")
        self._ask_all(expect_answer=())

    def controller_dies(self) -> None:
        hosts = INSPECTED.hosts[1:2]
        self._act(
            "4",
            "The controller is killed during an inspection",
            f"inspect {hosts[0]} once more, then `kill -9` pxegate.",
            f"the filter lives on in the kernel as it was: {hosts[0]} and unknown "
            "machines (the deleted ones, too) are answered, the others are not.",
        )
        with self.screen.progress("inspecting", transient=True):
            self.lab.ironic.inspect(hosts[0])
            mac = self.lab.mac(hosts[0])
            wait_for(lambda: self.filter.is_open_for(mac), 30, 0.1)
        with contextlib.ExitStack() as asking:
            probes = [
                asking.enter_context(Probe(self.lab, host)) for host in PRODUCTION.hosts
            ]
            self.filter.kill()
            self._saw(self.filter.text("status").splitlines()[0])
            self._ask_all(expect_answer=(*hosts, LEAVING, STRANGER))
            self._act(
                "5",
                "The controller is started again",
                "start `pxegate run` again while the inspection goes on. All the time "
                "since before the kill, the production machines keep asking.",
                "the same answers as before, and for production not one, at no moment.",
            )
            self.filter.start()
        self._count_leaks(probes)
        self._ask_all(expect_answer=(*hosts, LEAVING, STRANGER))

    def _count_leaks(self, probes: Sequence[Probe]) -> None:
        asked = sum(len(probe.requests) for probe in probes)
        self.leaked = {p.host: len(p.answered()) for p in probes if p.answered()}
        first = min(probe.requests[0].sent for probe in probes)
        self._saw(
            f"{asked} requests from production in the {time.time() - first:.0f} s from "
            "before the kill to after the restart; "
            f"answered: {sum(self.leaked.values())}."
        )

    # --- Asking --------------------------------------------------------------

    def _ask_all(self, expect_answer: Sequence[Kind | str]) -> None:
        """Lets all machines ask, and notes what came of it."""
        asking = [(kind, host) for kind in KINDS for host in kind.hosts]
        with self.screen.progress("15 machines ask", transient=True):
            answers = _in_parallel(lambda each: self._ask(each[1]), asking)
            states = {n["name"]: n["provision_state"] for n in self.lab.ironic.nodes()}
            whys = _in_parallel(lambda each: self._why(each[1]), asking, workers=4)
        outcomes = [
            Outcome(
                act=list(self.acts)[-1],
                kind=kind,
                host=host,
                state=states.get(host, "deleted" if kind.enrolled else NOT_ENROLLED),
                expected=kind in expect_answer or host in expect_answer,
                answer=answer,
                why=why,
            )
            for (kind, host), answer, why in zip(asking, answers, whys)
        ]
        self.outcomes += outcomes
        self._report(outcomes)

    def _ask(self, host: str) -> Answer | None:
        firmware = UEFI if self.lab.network(host) == "leaf2" else BIOS
        return self.lab.ask(host, 3, **firmware)

    def _why(self, host: str) -> str:
        if not self._filtering:
            return "no filter"
        return self.filter.why(self.lab.mac(host))

    def _report(self, outcomes: Sequence[Outcome]) -> None:
        answered = [o.host for o in outcomes if o.answered]
        silent = [o.host for o in outcomes if not o.answered]
        self._saw(f"answered: {_named(answered, silent)}.")
        if answered and silent:
            self._saw(f"no answer: {', '.join(silent)}.")
        wrong = mistakes(outcomes)
        for text in wrong:
            self.screen.paragraph("", f"WRONG: {text}", "bad")
        if not wrong:
            self.screen.paragraph("", "As expected.", "good")

    # --- Telling -------------------------------------------------------------

    def _act(self, number: str, title: str, do: str, expect: str) -> None:
        self.acts[number] = title
        self.screen.title(f"Act {number}: {title}")
        self.screen.paragraph("We", do)
        self.screen.paragraph("Expect", expect)

        self._label = "Saw"

    def _saw(self, text: str) -> None:
        self.screen.paragraph(self._label, text)
        self._label = ""

    def _command(self, *command: str) -> None:
        """Runs a pxegate command before the reader's eyes."""
        self.screen.line(
            self.screen.styled(f"$ pxegate {shlex.join(command)}", "bold")
        )
        self.screen.line(self.filter.text(*command))

    def show_results(self) -> bool:
        self.screen.title("Who was answered, and why")
        self.screen.line(
            "flat asks directly, leaf1 through the relay "
            f"{self.lab.relay('leaf1n1')}, leaf2 through {self.lab.relay('leaf2n1')}."
        )
        self.screen.line("EXPECT: is an answer due? WHY: what `pxegate policy MAC` says.")
        self.screen.line()
        self.screen.table(result_rows(self.acts, self.outcomes), result_style)
        right = self._show_verdict()
        self._show_commands()
        self._show_what_next()
        return right

    def _show_verdict(self) -> bool:
        self.screen.line()
        for act in self.acts:
            for text in mistakes(o for o in self.outcomes if o.act == act):
                self.screen.paragraph("WRONG", f"act {act}: {text}", "bad")
        for host, count in self.leaked.items():
            text = f"around the restart: {host}, in production, was answered {count} times"
            self.screen.paragraph("WRONG", text, "bad")
        wrong = sum(not each.right for each in self.outcomes)
        if wrong or self.leaked:
            return False
        text = f"All {len(self.outcomes)} times a machine asked it got what it should."
        self.screen.line(self.screen.styled(text, "good"))
        return True

    def _show_commands(self) -> None:
        self.screen.title("What pxegate tells an operator")
        allowed, denied = INSPECTED.hosts[1], PRODUCTION.hosts[1]
        for command in (
            ["status"],
            ["clients"],
            ["policy", self.lab.mac(allowed)],
            ["policy", self.lab.mac(denied)],
        ):
            self._command(*command)
            self.screen.line()

    def _show_what_next(self) -> None:
        self.screen.title("To try next")
        lab = f"sudo scripts/lab --name {NAME}"
        if not self.keep:
            self.screen.line("sudo scripts/demo --keep    the same, and the lab stays up")
            self.screen.line("sudo scripts/lab --help     what the lab is made of")
            return
        pxegate = (
            f"{lab} exec spine {_short(self.binary)} "
            f"--config-file {_short(self.filter.config)}"
        )
        self.screen.line("The lab is up and pxegate runs in it. From this folder:")
        for text, command in (
            ("who asks, as it happens", f"{pxegate} clients --watch"),
            ("each verdict as it falls", f"{pxegate} events --follow"),
            ("all rules", f"{pxegate} policy"),
            (
                "inspect another machine, then look again",
                f"{lab} exec spine curl -s -X PUT "
                "http://127.0.0.1:6385/v1/nodes/flat1/states/provision "
                "-H 'X-OpenStack-Ironic-API-Version: 1.72' "
                "-H 'Content-Type: application/json' -d '{\"target\": \"inspect\"}'",
            ),
            (
                "let a machine ask",
                f"{lab} exec flat1 udhcpc -fqn -t 3 -T 1 -i eth0 -s /bin/true",
            ),
            ("what pxegate has logged", f"cat {_short(self.filter.log)}"),
        ):
            self.screen.line(self.screen.styled(f"# {text}", "dim"))
            self.screen.line(command)

    def summary(self) -> str:
        wrong = sum(not each.right for each in self.outcomes)
        text = f"The demo took {time.monotonic() - self._started:.0f} s."
        if wrong or self.leaked:
            text += (
                f" {wrong} of {len(self.outcomes)} times a machine got the wrong answer "
                f"(WRONG above). Logs: {_short(LOGS)}/; `sudo scripts/demo --keep` "
                "leaves the lab to look into."
            )
        return text

    # --- Ending --------------------------------------------------------------

    def save_logs(self) -> None:
        for folder in ("log", "dhcp"):
            if (STATE / folder).is_dir():
                shutil.copytree(STATE / folder, LOGS, dirs_exist_ok=True)
        if self.filter.config.exists():
            shutil.copy(self.filter.config, LOGS)

    def clean_up(self) -> None:
        self.filter.stop()
        _run_lab("down")


def result_rows(acts: dict[str, str], outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The table of all answers; `acts` are the titles by number."""
    rows = [("IN IRONIC", "EXPECT", *map(str.upper, SEGMENTS), "WHY", "")]
    for act, title in acts.items():
        rows += [("",), (f"{act}: {title}",)]
        rows += _rows_of_act([each for each in outcomes if each.act == act])
    return rows


def _rows_of_act(outcomes: Iterable[Outcome]) -> list[tuple[str, ...]]:
    groups: dict[tuple[Any, ...], dict[str, str]] = collections.defaultdict(dict)
    wrong = set()
    for each in outcomes:
        key = (each.kind.number, each.state, each.expected, each.why)
        said = _yes_no(each.answered)
        groups[key][each.segment] = f"{each.host} {said}"
        if not each.right:
            wrong.add(key)
    return [
        (
            key[1],
            _yes_no(key[2]),
            *(cells.get(segment, "") for segment in SEGMENTS),
            key[3],
            "WRONG" if key in wrong else "OK",
        )
        for key, cells in groups.items()
    ]


def _in_parallel(function: Any, items: Iterable[Any], workers: int = 15) -> list[Any]:
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(function, items))


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def mistakes(outcomes: Iterable[Outcome]) -> list[str]:
    """Who was treated wrongly, a line for each way to be."""
    wrong = [each for each in outcomes if not each.right]
    lines = []
    for answered, what in (
        (True, "answered, but should not have been"),
        (False, "not answered, but should have been"),
    ):
        hosts = [f"{o.host} ({o.state})" for o in wrong if o.answered == answered]
        if hosts:
            lines.append(f"{what}: {', '.join(hosts)}")
    return lines


def _named(hosts: Sequence[str], others: Sequence[str]) -> str:
    if not hosts:
        return f"nobody, of {len(others)}"
    return ", ".join(hosts) if others else f"all {len(hosts)}"


def result_style(cell: str) -> str | None:
    if cell == "WRONG":
        return "bad"
    if cell == "OK":
        return "good"
    return "bold" if cell.isupper() or cell[1:2] == ":" else None


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _tail(file: Path, lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        text = file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])
    return ""


def _run_lab(command: str) -> None:
    """Runs scripts/lab with its words in a log; it cleans up when stopped."""
    log = LOGS / f"lab-{command}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [SCRIPTS / "lab", "--name", NAME, command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # The terminal's Ctrl-C is for the demo to handle.
            start_new_session=True,
        )
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status != 0:
        raise DemoError(f"`scripts/lab --name {NAME} {command}` failed:\n{_tail(log)}")


# --- From the start to the exit status ----------------------------------------

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _ignore_signals() -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _interrupt(number: int, _: object) -> None:
    # Once: what follows is the cleaning up, which must not be interrupted.
    _ignore_signals()
    raise Interrupted(number)


def _play_and_clean_up(demo: Demo) -> int:
    status = 1
    try:
        status = 0 if demo.play() else 1
    except Interrupted as interruption:
        status = 128 + interruption.args[0]
    except OutputGone:
        status = 1
    except Exception as error:  # pylint: disable=broad-except
        _explain(demo.screen, error)
    _ignore_signals()
    interrupted = status > 128
    with contextlib.suppress(OSError):
        demo.save_logs()
    if demo.keep and not interrupted and STATE.exists():
        _say_kept(demo)
        return status
    with contextlib.suppress(OutputGone):
        demo.screen.line()
        demo.screen.paragraph(
            "", "Stopping early." if interrupted else demo.summary(), margin=0
        )
    return _take_down(demo, status)


def _say_kept(demo: Demo) -> None:
    with contextlib.suppress(OutputGone):
        demo.screen.line()
        demo.screen.paragraph("", demo.summary(), margin=0)
        demo.screen.line(
            f"The lab stays up; to remove it: sudo scripts/lab --name {NAME} down"
        )


def _take_down(demo: Demo, status: int) -> int:
    try:
        demo.clean_up()
        demo.screen.line("The lab and the filter are removed.")
    except OutputGone:
        pass
    except DemoError as error:
        demo.screen.line(f"demo: {error}")
        return status or 1
    return status


def _explain(screen: Screen, error: Exception) -> None:
    text = str(error) if isinstance(error, DemoError) else repr(error)
    trace = LOGS / "traceback.txt"
    trace.write_text(traceback.format_exc(), encoding="utf-8")
    with contextlib.suppress(OutputGone):
        screen.line()
        screen.line(screen.styled(f"demo: failed: {text}", "bad"))
        screen.line(f"Logs: {_short(LOGS)}/ (the end of this run in {trace.name})")
        screen.line(
            "Try it again first; `sudo scripts/demo --keep` leaves the lab to look into."
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo.py")
    parser.add_argument("--pxegate", type=Path, required=True)
    parser.add_argument("--driver", default="xdp")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    demo = Demo(Screen(), options.pxegate.resolve(), options.driver, options.keep)
    try:
        for each in _SIGNALS:
            signal.signal(each, _interrupt)
        return _play_and_clean_up(demo)
    except Interrupted as interruption:
        # It came between the end of the play and the cleaning up.
        return _take_down(demo, 128 + interruption.args[0])


if __name__ == "__main__":
    sys.exit(main())
