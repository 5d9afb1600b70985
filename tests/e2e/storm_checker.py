#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the filter equals the policy, judged from Ironic's database and from the maps in
the kernel, by a program that shares no code with pxegate and asks it nothing.

    storm_checker.py record --database FILE --pins DIRECTORY --log FILE
        Until SIGTERM: looks at all rules, and at the database's log of the nodes' states
        (ironic_database.keep_log), every millisecond; writes down what changed, and when.
    storm_checker.py judge --log FILE [--lag SECONDS] [--json]
        Holds the one against the other. Exit status 1: something is not explained.
    storm_checker.py compare --database FILE --pins DIRECTORY
        Whether the filter equals the policy now, by all rules there are.

"At every instant" means: in every snapshot; how far apart two of them ever were is
reported. Beside each snapshot the kernel's own program is run (BPF_PROG_TEST_RUN) on a
DHCPDISCOVER of a machine drawn by lot: it must say what was read of the maps.

  - A machine whose node was never open is denied, whatever happens.
  - One whose node was open is denied again at the latest `--lag` seconds after the
    change that ended it; one whose node is open is allowed as soon.
  - What no rule names is allowed only where some node is open, within the same lag.
  - The lease never runs out.

Open is a node in one of OPEN_STATES whose inspect interface is one of OPEN_INTERFACES,
which is pxegate's default without `[inspector] endpoint_override`. Nodes and ports must
stay the same meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ironic_database import Database  # noqa: E402
from kernel_maps import Maps  # noqa: E402

OPEN_STATES = ("inspecting", "inspect wait")
OPEN_INTERFACES = ("agent", "inspector")
INTERVAL = 0.001
# The log's times are rounded to a millisecond, the recorder's are not.
ROUNDING = 0.002
NEVER = float("-inf")
FOR_EVER = float("inf")


def is_open(state: str, interface: str | None) -> bool:
    return state in OPEN_STATES and interface in OPEN_INTERFACES


# --- record


class Recorder:
    """Writes lines of JSON: {"start": …}, {"change": …}, {"rule": …}, {"unknown": …},
    {"fault": …} and at the end {"end": …}. Times are seconds since the epoch."""

    def __init__(self, database: Database, maps: Maps, log: TextIO) -> None:
        self._database = database
        self._maps = maps
        self._log = log
        self._nodes = database.ports()
        self._by_place: dict[int, list[str]] = defaultdict(list)
        for mac in self._nodes:
            self._by_place[maps.place(mac)].append(mac)
        self._macs = list(self._nodes)
        self._last_change = 0
        self._rules: dict[str, str | None] = {}
        self._unknown = ""
        self._faults = 0
        self._gaps: list[float] = []
        self._asked = 0

    def run(self) -> None:
        stop = False

        def end(*_: object) -> None:
            nonlocal stop
            stop = True

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        self._last_change, states = self._database.states()
        snapshot = self._maps.snapshot()
        before = time.time()
        self._rules = {mac: self._maps.verdict(mac, snapshot) for mac in self._macs}
        self._unknown = self._maps.settings().unknown
        self._write(
            start={
                "time": before,
                "nodes": {str(node): state for node, state in states.items()},
                "ports": self._nodes,
                "rules": self._rules,
                "unknown": self._unknown,
            }
        )
        while not stop:
            time.sleep(INTERVAL)
            now = time.time()
            fresh = self._maps.snapshot()
            if fresh != snapshot:
                self._compare(snapshot, fresh, before, now)
                snapshot = fresh
            self._look_at_settings(before, now)
            for change in self._database.changes(self._last_change):
                self._last_change = change.id
                self._write(change={**change._asdict(), "seen": time.time()})
            self._ask(random.choice(self._macs))
            self._gaps.append(now - before)
            before = now
        self._finish()

    def _compare(self, old: bytes, new: bytes, before: float, now: float) -> None:
        a, b = memoryview(old).cast("Q"), memoryview(new).cast("Q")
        for start in range(0, len(a), 512):
            if a[start : start + 512] == b[start : start + 512]:
                continue
            for bucket in range(start, min(start + 512, len(a)), 8):
                if a[bucket : bucket + 8] == b[bucket : bucket + 8]:
                    continue
                for mac in self._by_place.get(bucket * 8, []):
                    verdict = self._maps.verdict(mac, new)
                    if verdict != self._rules[mac]:
                        self._rules[mac] = verdict
                        self._write(
                            rule={"mac": mac, "verdict": verdict, "after": before, "at": now}
                        )

    def _look_at_settings(self, before: float, now: float) -> None:
        settings = self._maps.settings()
        if settings.unknown != self._unknown:
            self._unknown = settings.unknown
            self._write(unknown={"verdict": settings.unknown, "after": before, "at": now})
        if settings.stale and settings.stale_action != "keep":
            self._fault("the lease has run out")

    def _ask(self, mac: str) -> None:
        def read() -> str:
            return self._maps.verdict(mac) or self._maps.settings().unknown

        self._asked += 1
        earlier = read()
        told = self._maps.ask(mac)
        if earlier == read() != told:
            self._fault(f"the program says {told} to {mac}, the maps say {earlier}")

    def _fault(self, what: str) -> None:
        self._faults += 1
        if self._faults <= 10:
            self._write(fault={"what": what, "at": time.time()})

    def _finish(self) -> None:
        membership = self._database.membership_changes()
        for what in membership[:10]:
            self._fault(f"nodes and ports must not come and go: {what}")
        gaps = sorted(self._gaps) or [0.0]
        self._write(
            end={
                "time": time.time(),
                "snapshots": len(self._gaps),
                "asked": self._asked,
                "faults": self._faults,
                "gap_median": gaps[len(gaps) // 2],
                "gap_p99": gaps[len(gaps) * 99 // 100],
                "gap_largest": gaps[-1],
            }
        )

    def _write(self, **what: Any) -> None:
        self._log.write(json.dumps(what) + "\n")
        self._log.flush()


# --- judge


@dataclass
class Span:
    """From `start` on, until `end`."""

    start: float
    end: float = FOR_EVER


@dataclass
class Judgement:
    """What a recording shows; it is as the policy asks where there is no fault."""

    lag: float
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0
    machines: int = 0
    never_open: int = 0
    inspections: int = 0
    openings: list[float] = field(default_factory=list)
    closings: list[float] = field(default_factory=list)
    # Inspections that ended before the filter had opened: how long they were.
    unserved: list[float] = field(default_factory=list)
    # Rules that opened when the inspection was over already, by how much.
    late: list[float] = field(default_factory=list)
    unknown_late: float = 0
    end: dict[str, Any] = field(default_factory=dict)

    def fault(self, what: str) -> None:
        self.fault_count += 1
        if len(self.faults) < 20:
            self.faults.append(what)


def spans(changes: list[tuple[float, bool]], first: bool) -> list[Span]:
    """When something held, from what it changed to, in order."""
    found = [Span(NEVER)] if first else []
    holds = first
    for at, now in changes:
        if now and not holds:
            found.append(Span(at))
        elif holds and not now:
            found[-1].end = at
        holds = now
    return found


def judge(lines: list[dict[str, Any]], lag: float) -> Judgement:
    start = next(line["start"] for line in lines if "start" in line)
    end = next((line["end"] for line in lines if "end" in line), None)
    result = Judgement(lag)
    if end is None:
        result.fault("the recording has no end: its recorder died")
        return result
    result.end = end
    for line in lines:
        if "fault" in line:
            result.fault(line["fault"]["what"])
    if end["faults"] > result.fault_count:
        result.fault_count = end["faults"]

    opened = open_spans(lines, start)
    result.inspections = sum(len(each) for each in opened.values())
    # What no rule names has the verdict for unknown machines.
    unknown_changes = [
        (each["at"], each["after"], each["verdict"])
        for each in (line["unknown"] for line in lines if "unknown" in line)
    ]
    verdicts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if "rule" in line:
            verdicts[line["rule"]["mac"]].append(line["rule"])
    for mac, node in start["ports"].items():
        result.machines += 1
        if not opened[node]:
            result.never_open += 1
        allowed = allowed_spans(start, mac, verdicts[mac], unknown_changes, end["time"])
        judge_machine(result, mac, opened[node], allowed, end["time"])
    judge_unknown(result, start, opened, unknown_changes, end["time"])
    return result


def open_spans(
    lines: list[dict[str, Any]], start: dict[str, Any]
) -> dict[int, list[Span]]:
    changes: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for line in lines:
        if "change" in line:
            each = line["change"]
            changes[each["node"]].append(
                (each["stamp"], is_open(each["state"], each["interface"]))
            )
    return {
        int(node): spans(changes[int(node)], is_open(*state))
        for node, state in start["nodes"].items()
    }


def allowed_spans(
    start: dict[str, Any],
    mac: str,
    rules: list[dict[str, Any]],
    unknown: list[tuple[float, float, str]],
    end: float,
) -> list[Span]:
    """When the machine was seen to be allowed: from the snapshot that first showed it
    to the last one that did."""
    events = sorted(
        [(each["at"], each["after"], "rule", each["verdict"]) for each in rules]
        + [(at, after, "unknown", verdict) for at, after, verdict in unknown]
    )
    rule, other = start["rules"][mac], start["unknown"]
    first = (rule or other) == "allow"
    found = [Span(start["time"])] if first else []
    holds = first
    for at, after, which, verdict in events:
        if which == "rule":
            rule = verdict
        else:
            other = verdict
        allowed = (rule or other) == "allow"
        if allowed and not holds:
            found.append(Span(at))
        elif holds and not allowed:
            found[-1].end = after
        holds = allowed
    if holds:
        found[-1].end = end
    return found


def judge_machine(
    result: Judgement, mac: str, opened: list[Span], allowed: list[Span], end: float
) -> None:
    for span in allowed:
        started = [each for each in opened if each.start <= span.start + ROUNDING]
        if not started:
            result.fault(f"{mac} was allowed at {span.start:.3f}, its node never open before")
            continue
        # The gaps between inspections that the span reaches into.
        ends = [each.end for each in opened]
        starts = [each.start for each in opened[1:]] + [FOR_EVER]
        for closed, reopened in zip(ends, starts):
            if closed >= span.end or reopened <= span.start:
                continue
            excess = min(reopened, span.end) - closed
            if span.start > closed + ROUNDING:
                result.late.append(span.start - closed)
            result.closings.append(max(excess, 0.0))
            if excess > result.lag:
                result.fault(f"{mac} was allowed {excess:.3f} s after its node was closed")
    for wanted in opened:
        begin = max(wanted.start, NEVER)
        served = [
            each.start for each in allowed if each.end > begin and each.start < wanted.end
        ]
        if served:
            took = max(0.0, min(served) - begin) if begin != NEVER else 0.0
            result.openings.append(took)
        else:
            took = min(wanted.end, end) - begin
            result.unserved.append(took)
        if took > result.lag:
            result.fault(f"{mac} was denied {took:.3f} s of its node's being open")


def judge_unknown(
    result: Judgement,
    start: dict[str, Any],
    opened: dict[int, list[Span]],
    unknown: list[tuple[float, float, str]],
    end: float,
) -> None:
    """Unknown machines are allowed only where some node is open."""
    edges = sorted(
        [(each.start, 1) for spans_ in opened.values() for each in spans_]
        + [(each.end, -1) for spans_ in opened.values() for each in spans_]
    )
    any_open: list[Span] = []
    count = 0
    for at, step in edges:
        if count == 0 and step == 1:
            any_open.append(Span(at))
        count += step
        if count == 0:
            any_open[-1].end = at
    # As of a machine that has no rule.
    nobody = {**start, "rules": {"": None}}
    for span in allowed_spans(nobody, "", [], unknown, end):
        if not any(each.start <= span.start + ROUNDING for each in any_open):
            result.fault(f"unknown machines were allowed at {span.start:.3f}, no node open")
            continue
        starts = [each.start for each in any_open[1:]] + [FOR_EVER]
        for each, reopened in zip(any_open, starts):
            if each.end >= span.end or reopened <= span.start:
                continue
            excess = min(reopened, span.end) - each.end
            result.unknown_late = max(result.unknown_late, excess)
            if excess > result.lag:
                result.fault(
                    f"unknown machines were allowed {excess:.3f} s after no node was open"
                )


def figures(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    return {
        "count": len(values),
        "median": ordered[len(ordered) // 2],
        "p99": ordered[len(ordered) * 99 // 100],
        "largest": ordered[-1],
    }


def report(result: Judgement) -> dict[str, Any]:
    return {
        "faults": result.faults,
        "fault_count": result.fault_count,
        "machines": result.machines,
        "never_open": result.never_open,
        "inspections": result.inspections,
        "opening": figures(result.openings),
        "closing": figures(result.closings),
        "opened_late": figures(result.late),
        "ended_before_it_opened": figures(result.unserved),
        "unknown_late": result.unknown_late,
        "recording": result.end,
    }


def print_report(found: dict[str, Any]) -> None:
    def seconds(what: str, value: dict[str, float]) -> None:
        print(
            f"{what:46}{value['count']:>6}  median {value['median']:.3f} s, "
            f"p99 {value['p99']:.3f} s, largest {value['largest']:.3f} s"
        )

    recording = found["recording"]
    print(f"machines {found['machines']}, never open {found['never_open']}")
    print(f"times that a node was open: {found['inspections']}")
    seconds("from open in the database to allowed", found["opening"])
    seconds("from closed in the database to denied", found["closing"])
    seconds("allowed only after it was closed again, by", found["opened_late"])
    seconds("closed again before it was allowed, after", found["ended_before_it_opened"])
    print(f"unknown machines allowed without an open node: {found['unknown_late']:.3f} s at most")
    if recording:
        print(
            f"snapshots {recording['snapshots']}, apart {recording['gap_median']:.4f} s "
            f"(median), {recording['gap_p99']:.4f} s (p99), {recording['gap_largest']:.3f} s "
            f"(largest); the program was asked {recording['asked']} times"
        )
    print(f"not explained: {found['fault_count']}")
    for what in found["faults"]:
        print(f"  {what}")


# --- compare


def differences(database: Database, maps: Maps) -> list[str]:
    """Where the filter is not the policy, by all rules of both maps."""
    _, states = database.states()
    ports = database.ports()
    opened = {node for node, state in states.items() if is_open(*state)}
    wanted = {mac: "allow" if node in opened else "deny" for mac, node in ports.items()}
    there = maps.rules()
    found = [
        f"{mac}: {there.get(mac)} instead of {wanted.get(mac)}"
        for mac in sorted(wanted.keys() | there.keys())
        if wanted.get(mac) != there.get(mac)
    ]
    unknown = "allow" if opened else "deny"
    settings = maps.settings()
    if settings.unknown != unknown:
        found.append(f"unknown machines: {settings.unknown} instead of {unknown}")
    if settings.stale:
        found.append("the lease has run out")
    return found


def be_on_time() -> None:
    """Ahead of what it watches, where that is allowed; it sleeps most of the time."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        try:
            os.nice(-10)
        except OSError:
            pass


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("record", "judge", "compare"))
    parser.add_argument("--database", type=Path)
    parser.add_argument("--pins", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--lag", type=float, default=30, help="seconds (default: 30)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.command == "judge":
        with open(arguments.log, encoding="utf-8") as log:
            found = report(judge([json.loads(line) for line in log], arguments.lag))
        if arguments.json:
            print(json.dumps(found, indent=1))
        else:
            print_report(found)
        return 1 if found["fault_count"] else 0
    database, maps = Database(arguments.database), Maps(arguments.pins)
    if arguments.command == "compare":
        found = differences(database, maps)
        print("\n".join(found[:20]) or "the filter equals the policy")
        return 1 if found else 0
    be_on_time()
    with open(arguments.log, "w", encoding="utf-8") as log:
        Recorder(database, maps, log).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
