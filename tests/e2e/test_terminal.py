# SPDX-License-Identifier: Apache-2.0
"""The live views in a real terminal: tmux holds it, sizes it and reads it."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from lab import Lab, wait_for
from probe import Probe
from subject import BINARY, PATIENCE, Controller, FakeIronic, filtering

ALLOWED, DENIED = "leaf1n1", "leaf2n1"


class Tmux:
    """A terminal with one shell in it."""

    _made = itertools.count()  # a server that was told to end may take its time

    def __init__(self, name: str, columns: int, rows: int) -> None:
        server = f"{name}-{os.getpid()}-{next(self._made)}"
        self._server = ("tmux", "-L", server, "-f", "/dev/null")
        self._run("new-session", "-d", "-s", "t", "-x", str(columns), "-y", str(rows), "sh")

    def wait_ready(self) -> None:
        self.type("PS1='ready> '")
        # What is typed before the shell is there may share a line with its prompt.
        ready = re.compile(r"(^|[# ])ready>\s*\Z", re.MULTILINE)
        assert wait_for(lambda: ready.search(self.text()) is not None, PATIENCE), self.text()

    def close(self) -> None:
        self._run("kill-server", check=False)

    def type(self, text: str) -> None:
        self._run("send-keys", "-t", "t", "-l", text)
        self.press("Enter")

    def press(self, key: str) -> None:
        self._run("send-keys", "-t", "t", key)

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))

    def text(self) -> str:
        """What stands on the screen now."""
        return self._run("capture-pane", "-t", "t", "-p")

    def lines(self) -> list[str]:
        return [line for line in self.text().splitlines() if line.strip()]

    def format(self, what: str) -> str:
        return self._run("display-message", "-t", "t", "-p", what).strip()

    def _run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self._server, *arguments], check=False, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def controller(lab: Lab) -> Iterator[Controller]:
    with FakeIronic(lab) as ironic:
        ironic.add("rack1-node1", lab.mac(ALLOWED), state="inspect wait")
        ironic.add("rack2-node1", lab.mac(DENIED))
        with filtering(lab, {"ironic": {"endpoint_override": ironic.url}}) as controller:
            yield controller


@pytest.fixture(scope="module")
def traffic(lab: Lab, controller: Controller) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for host in (ALLOWED, DENIED):
            stack.enter_context(Probe(lab, host, interval=0.2))
        yield


@pytest.fixture
def tmux(lab: Lab) -> Iterator[Tmux]:
    terminal = Tmux(lab.name, 100, 30)
    try:
        terminal.wait_ready()
        yield terminal
    finally:
        terminal.close()


def command(controller: Controller, *arguments: str) -> str:
    return shlex.join(
        [
            *("nsenter", f"--net={controller.lab.namespace('spine')}"),
            *(BINARY, "--config-file", str(controller.config), *arguments),
        ]
    )


def eventually(condition: Callable[[], bool], tmux: Tmux) -> None:
    assert wait_for(condition, PATIENCE, 0.1), tmux.text()


def test_top_shows_leaves_rates_and_verdicts(
    controller: Controller, traffic: None, tmux: Tmux, lab: Lab
) -> None:
    tmux.type(command(controller, "top"))

    def rates() -> bool:
        text = tmux.text()
        first = re.search(rf"^{lab.relay(ALLOWED)} +(\d+\.\d) +0\.0 ", text, re.MULTILINE)
        second = re.search(rf"^{lab.relay(DENIED)} +0\.0 +(\d+\.\d) ", text, re.MULTILINE)
        return bool(first and second and float(first[1]) > 1 and float(second[1]) > 1)

    eventually(rates, tmux)
    eventually(lambda: f"{lab.mac(DENIED)}" in tmux.text(), tmux)
    text = tmux.text()
    assert text.startswith("healthy: "), text
    assert "1 of 2 nodes being inspected" in text
    assert re.search(rf"allow +{lab.mac(ALLOWED)} .*rack1-node1 +DISCOVER", text), text
    assert re.search(rf"deny +{lab.mac(DENIED)} .*rack2-node1 +DISCOVER", text), text
    assert tmux.format("#{alternate_on} #{cursor_flag}") == "1 0"


def test_top_gives_the_terminal_back(controller: Controller, traffic: None, tmux: Tmux) -> None:
    for end in ("q", "C-c", "term"):
        tmux.type(f"echo before-{end}; {command(controller, 'top')}; echo status=$?")
        eventually(lambda: "RELAY AGENT" in tmux.text(), tmux)
        tmux.press("C-z")  # does nothing
        if end == "term":
            subprocess.run(["pkill", "-TERM", "-f", f"{controller.config} top"], check=True)
        else:
            tmux.press(end)
        eventually(lambda: tmux.lines()[-2:] == ["status=0", "ready>"], tmux)
        assert tmux.format("#{alternate_on} #{cursor_flag}") == "0 1"
        assert "RELAY AGENT" not in tmux.text()
        tmux.type("echo echoed")  # the echo is on again
        eventually(lambda: "ready> echo echoed" in tmux.text(), tmux)


@pytest.mark.parametrize("arguments", [("top",), ("clients", "--watch")])
def test_views_fit_a_terminal_that_changes_its_size(
    controller: Controller, traffic: None, tmux: Tmux, arguments: tuple[str, ...]
) -> None:
    tmux.type(command(controller, *arguments))
    header = "RELAY AGENT" if arguments == ("top",) else "MAC "
    eventually(lambda: any(line.startswith(header) for line in tmux.lines()), tmux)
    for columns, rows in ((160, 50), (60, 12), (30, 6), (100, 30)):
        tmux.resize(columns, rows)
        tmux_size = f"{columns} {rows}"
        eventually(
            lambda: tmux.format("#{window_width} #{window_height}") == tmux_size, tmux
        )

        def settled() -> bool:
            """Repainted for this size: the first line is on top, nothing has
            scrolled, no line is left of an earlier size."""
            shown = tmux.text().splitlines()
            return (
                len(shown) <= rows
                and sum(line.startswith(header) for line in shown) == 1
                and bool(shown[0].strip())
                and tmux.format("#{history_size}") == history
            )

        time.sleep(1.5)
        history = tmux.format("#{history_size}")
        eventually(settled, tmux)
    tmux.press("C-c")
    eventually(lambda: tmux.lines()[-1].endswith("ready>"), tmux)


def test_top_outlives_its_controller(
    controller: Controller, traffic: None, tmux: Tmux, lab: Lab
) -> None:
    tmux.type(command(controller, "top"))
    eventually(lambda: tmux.text().startswith("healthy: "), tmux)
    controller.signal(signal.SIGKILL)
    controller.wait()
    eventually(lambda: tmux.text().startswith("NO CONTROLLER RUNS"), tmux)
    # What is in the kernel goes on, and is shown.
    second = re.compile(rf"^{lab.relay(DENIED)} +0\.0 +[1-9]", re.MULTILINE)
    eventually(lambda: second.search(tmux.text()) is not None, tmux)
    controller.start_synced()
    eventually(lambda: tmux.text().startswith("healthy: "), tmux)
    tmux.press("q")


def test_top_into_a_pipe(controller: Controller, traffic: None) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{command(controller, 'top')} | head -n 12"],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )
    assert "RELAY AGENT" in done.stdout and "\x1b" not in done.stdout
    assert done.stderr == ""
