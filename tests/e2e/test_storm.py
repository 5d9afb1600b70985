# SPDX-License-Identifier: Apache-2.0
"""Many nodes go into inspection at once and are aborted at random, while the broker is
killed: in every snapshot, and at the end, the filter equals the policy.

tests/bench/storm is the same with a thousand nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from kernel_maps import Maps
from lab import Lab
from storm import (
    Checker,
    Scale,
    control_mac_of,
    controller_sections,
    print_account,
    prepare,
    run_storm,
)
from storm_checker import judge
from subject import PATIENCE, Controller

WITH_IRONIC = True
WITH_RABBITMQ = True

SCALE = Scale(nodes=40, control=20, broker_kills=1, broker_down=2, patience=3 * PATIENCE)


@pytest.fixture(scope="module")
def nodes(lab: Lab) -> dict[str, list[str]]:
    return prepare(lab, SCALE)


@pytest.fixture(scope="module")
def controller(lab: Lab, nodes: dict[str, list[str]]) -> Iterator[Controller]:
    sections = controller_sections(SCALE, lab.with_rabbitmq)
    with Controller(lab, sections) as controller:
        yield controller.start_synced()


def test_a_storm_of_inspections_is_followed_all_the_time(
    lab: Lab, nodes: dict[str, list[str]], controller: Controller
) -> None:
    log = lab.log_dir / "storm.jsonl.log"
    account, checker = run_storm(lab, SCALE, nodes, controller, log)
    found = checker.judge(PATIENCE)
    print_account(account)
    print(checker.table(PATIENCE))
    assert not found["fault_count"], found["faults"]
    # That there was something to see.
    assert len(account.kills) == SCALE.broker_kills
    assert account.asked == SCALE.nodes and account.aborted >= SCALE.nodes / 2
    assert found["never_open"] >= SCALE.control
    assert found["inspections"] >= SCALE.nodes
    assert found["opening"]["count"] + found["ended_before_it_opened"]["count"] == (
        found["inspections"]
    )


def test_the_checker_sees_a_machine_let_through_for_a_moment(
    lab: Lab, nodes: dict[str, list[str]], controller: Controller
) -> None:
    mac = control_mac_of(3)
    checker = Checker(lab, lab.log_dir / "hole.jsonl.log")
    maps = Maps(lab.pin_path)
    with checker.recording():
        time.sleep(0.5)
        maps.overwrite(mac, "allow")
        time.sleep(0.02)
        maps.overwrite(mac, "deny")
        time.sleep(0.5)
    found = checker.judge(PATIENCE)
    assert found["fault_count"] == 1
    assert f"{mac} was allowed" in found["faults"][0]
    assert "never open before" in found["faults"][0]


# --- the judge, with recordings that are made up

A = "52:54:00:00:00:01"
B = "52:54:00:00:00:02"


class Recording:
    """Node 1 has A, node 2 has B; both are closed and denied at 100, the end is 200."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = [
            {
                "start": {
                    "time": 100,
                    "nodes": {"1": ["available", "agent"], "2": ["active", "agent"]},
                    "ports": {A: 1, B: 2},
                    "rules": {A: "deny", B: "deny"},
                    "unknown": "deny",
                }
            }
        ]

    def state(self, node: int, at: float, state: str, interface: str = "agent") -> Recording:
        change = {"node": node, "state": state, "interface": interface, "stamp": at}
        self.lines.append({"change": change})
        return self

    def rule(self, mac: str, at: float, verdict: str | None) -> Recording:
        rule = {"mac": mac, "verdict": verdict, "after": at - 0.001, "at": at}
        self.lines.append({"rule": rule})
        return self

    def unknown(self, at: float, verdict: str) -> Recording:
        self.lines.append({"unknown": {"verdict": verdict, "after": at - 0.001, "at": at}})
        return self

    def judged(self, lag: float = 10) -> Any:
        return judge([*self.lines, {"end": {"time": 200, "faults": 0}}], lag)


def inspection() -> Recording:
    """An inspection of node 1, from 110 to 120."""
    return Recording().state(1, 110, "inspecting").state(1, 120, "inspect failed")


def test_what_is_followed_in_time_is_explained() -> None:
    found = inspection().rule(A, 112, "allow").rule(A, 123, "deny").judged()
    assert not found.faults
    assert found.openings == [2]
    assert found.closings == [pytest.approx(3, abs=0.01)]
    assert (found.inspections, found.never_open) == (1, 1)


@pytest.mark.parametrize(
    ("recording", "says"),
    [
        (inspection().rule(B, 112, "allow"), f"{B} was allowed at 112.000"),
        (inspection().rule(A, 109, "allow").rule(A, 121, "deny"), "never open before"),
        (inspection().rule(A, 111, "allow").rule(A, 131, "deny"), "after its node was closed"),
        (inspection().rule(A, 111, "allow"), "after its node was closed"),
        (inspection().rule(A, 140, "allow").rule(A, 141, "deny"), "after its node was closed"),
        (Recording().state(1, 110, "inspecting"), "of its node's being open"),
        (Recording().state(1, 110, "inspecting", "fake").rule(A, 111, "allow"), "never open"),
        (Recording().unknown(105, "allow"), "unknown machines were allowed"),
        (
            inspection().rule(A, 111, "allow").rule(A, 121, "deny").unknown(112, "allow"),
            "after no node was open",
        ),
        # Without a rule it has the verdict of the unknown ones.
        (
            inspection()
            .rule(A, 111, "allow")
            .rule(A, 121, "deny")
            .unknown(112, "allow")
            .rule(B, 113, None)
            .unknown(121, "deny"),
            f"{B} was allowed at 113.000",
        ),
    ],
)
def test_what_is_wrong_is_found(recording: Recording, says: str) -> None:
    found = recording.judged()
    assert any(says in each for each in found.faults), found.faults


def test_a_recording_that_was_cut_off_proves_nothing() -> None:
    assert judge(inspection().lines, 10).faults


def test_a_short_inspection_need_not_be_seen_but_is_counted() -> None:
    found = inspection().judged(lag=15)
    assert not found.faults
    assert found.unserved == [10]
