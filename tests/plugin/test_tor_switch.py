# SPDX-License-Identifier: Apache-2.0
"""The example driver: with an agent that is a file, and with the lab's."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from plugin_site import PATIENCE, PLUGINS, Site, fake_ironic, wait_for

LAB_SWITCH = pathlib.Path(__file__).with_name("lab-switch")
FILE_AGENT = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$1" >> calls
case $1 in
  show) cat list 2> /dev/null || true ;;
  apply) cat > new && mv new list ;;
  remove) rm -f list ;;
esac
"""


class Switch(Site):
    def __init__(self, path):
        super().__init__(path)
        built = PLUGINS / "prefix/lib/pxegate/drivers/tor_switch.so"
        shutil.copy(built, self.plugin_dir)
        self.agent = self.use(FILE_AGENT)
        self.list = path / "list"

    def use(self, text):
        agent = self.path / "agent"
        agent.write_text(text, encoding="utf-8")
        agent.chmod(0o755)
        return agent

    def in_force(self):
        return self.list.read_text() if self.list.exists() else ""

    def calls(self, name):
        return (self.path / "calls").read_text().split().count(name)

    def configure(self, driver="tor_switch", **options):
        super().configure(driver, **{"program": self.agent, **options})


@pytest.fixture(name="switch")
def a_switch(tmp_path):
    return Switch(tmp_path)


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_it_is_closed_from_the_start_and_stays_so_without_ironic(switch):
    switch.configure()
    with switch.running() as (process, log):
        wait_for(lambda: "runs: driver tor_switch" in log(), "it runs")
        assert switch.list.read_text() == "default deny\n"
        stop(process)
    assert switch.list.read_text() == "default deny\n"


def test_a_list_of_an_earlier_run_stays_until_the_first_sync(switch):
    switch.list.write_text("default deny\nallow 52:54:00:00:00:01 sw/1\n")
    switch.configure()
    before = switch.list.read_text()
    with switch.running() as (process, log):
        wait_for(lambda: "runs: driver tor_switch" in log(), "it runs")
        stop(process)
    assert switch.list.read_text() == before
    assert switch.calls("apply") == 0


def test_it_enforces_what_ironic_says_and_repairs_what_others_change(switch):
    with fake_ironic() as switch.ironic:
        switch.configure()
        with switch.running() as (process, _):
            wait_for(lambda: "\ndeny " in switch.in_force(), "a sync")
            enforced = switch.list.read_text()
            assert enforced.startswith("default deny\n")
            applied = switch.calls("apply")
            assert switch.pxegate("sync").returncode == 0
            assert switch.calls("apply") == applied  # unchanged
            switch.list.write_text("default allow\n")
            synced = switch.pxegate("sync", "--json")
            assert "not as it was left" in synced.stdout
            assert switch.list.read_text() == enforced
            status = json.loads(switch.pxegate("status", "--json").stdout)
            assert status["healthy"], status
            stop(process)
        policy = json.loads(switch.pxegate("policy", "--json").stdout)
        assert "deny" in json.dumps(policy)
        assert switch.pxegate("teardown").returncode == 0
        assert not switch.list.exists()


@pytest.mark.parametrize("options,message", [
    ({"program": ""}, "absolute path"),
    ({"program": "agent"}, "absolute path"),
    ({"program": "/nonexistent/agent"}, "No such file"),
    ({"programm": "/bin/true"}, "no option"),
])
def test_wrong_options_are_told(switch, options, message):
    switch.configure(**options)
    ran = switch.pxegate("run")
    assert ran.returncode != 0
    assert message in ran.stderr and "[tor_switch]" in ran.stderr


@pytest.mark.parametrize("agent,message", [
    ("#!/bin/sh\necho no contact >&2\nexit 3\n", "no contact"),
    ("#!/bin/sh\necho hello\n", "no line of an access list"),
    ("#!/bin/sh\necho default deny\necho deny me\n", "no line of an access"),
])
def test_an_agent_that_fails_is_told(switch, agent, message):
    switch.use(agent)
    switch.configure()
    ran = switch.pxegate("run")
    assert ran.returncode != 0 and message in ran.stderr


@pytest.fixture(name="inside")
def a_namespace():
    """Runs a command in a network namespace that nobody else is in."""
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
        stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        def run(*argv, text=""):
            done = subprocess.run(
                ["nsenter", f"--net=/proc/{holder.pid}/ns/net", *argv],
                input=text, text=True, capture_output=True, check=False,
                env={**os.environ, "LAB_SWITCH_INTERFACE": "lo"})
            assert done.returncode == 0, done.stderr
            return done.stdout
        yield run
        holder.kill()


def test_the_labs_agent_shows_what_is_in_force_and_leaves_nothing(inside):
    text = ("default deny\n"
            "allow 52:54:00:00:00:01 00:1c:73:aa:bb:cc/Ethernet1/1\n"
            "deny 52:54:00:00:00:02\n")
    assert inside(LAB_SWITCH, "show") == ""
    inside(LAB_SWITCH, "apply", text=text)
    shown = inside(LAB_SWITCH, "show").splitlines()
    assert shown[0] == "default deny"
    assert sorted(shown) == sorted(text.splitlines())
    inside(LAB_SWITCH, "apply", text="default allow\n")
    assert inside(LAB_SWITCH, "show") == "default allow\n"
    # Half of it is no list.
    inside("nft", "flush", "chain", "netdev", "lab_switch", "requests")
    assert inside(LAB_SWITCH, "show") == ""
    inside(LAB_SWITCH, "remove")
    inside(LAB_SWITCH, "remove")
    assert inside("nft", "list", "ruleset") == ""
