# SPDX-License-Identifier: Apache-2.0
"""A NIC that a filter guards stays guarded, whatever a plugin does."""

import json
import os
import signal
import subprocess

import pytest

from plugin_site import PATIENCE, Site, fake_ironic, wait_for

# What is wrong: the plugin, and what [misbehaving] says.
REFUSED = {
    "made for another ABI": ("wrong_abi", {}),
    "made with another toolchain": ("wrong_toolchain", {}),
    "lacks a symbol": ("undefined_symbol", {}),
    "lacks its function": ("no_getter", {}),
    "throws when asked for it": ("throwing_getter", {}),
    "throws in its factory": ("misbehaving", {"in": "factory", "how": "throw"}),
    "makes no driver": ("misbehaving", {"in": "factory", "how": "null"}),
    "throws in initialize": ("misbehaving", {"in": "initialize", "how": "throw"}),
}
CRASHES = {
    "crashes in its factory": ("misbehaving", {"in": "factory", "how": "abort"}),
    "crashes in initialize": ("misbehaving", {"in": "initialize", "how": "abort"}),
}


class Guarded(Site):
    """A NIC in a network namespace, for the XDP driver."""

    pin_path = f"/sys/fs/bpf/pxegate-plugin-test-{os.getpid()}"

    def __init__(self, path, namespace):
        super().__init__(path)
        self.prefix = ["nsenter", f"--net={namespace}"]
        self.ip("link", "add", "nic0", "type", "veth", "peer", "name", "nic1")
        for link in ["lo", "nic0", "nic1"]:
            self.ip("link", "set", link, "up")

    def ip(self, *arguments):
        return subprocess.run([*self.prefix, "ip", *arguments], text=True,
                              check=True, stdout=subprocess.PIPE).stdout

    def program(self):
        """The id of the XDP program on the NIC; None where there is none."""
        [link] = json.loads(self.ip("-json", "link", "show", "nic0"))
        return link.get("xdp", {}).get("prog", {}).get("id")

    def guard(self):
        self.configure("xdp", interfaces="nic0", pin_path=self.pin_path)

    def configure_plugin(self, name, options):
        self.add(name)
        self.configure(name, file=self.path / "filter", **options)
        # Both are in the file: which rules is what the driver line says.
        with open(self.config, "a", encoding="utf-8") as config:
            config.write(
                f"[xdp]\ninterfaces = nic0\npin_path = {self.pin_path}\n")


@pytest.fixture(name="site")
def a_guarded_site(tmp_path):
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
        stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        site = Guarded(tmp_path, f"/proc/{holder.pid}/ns/net")
        with fake_ironic(site.prefix) as site.ironic:
            yield site
            site.guard()
            assert site.pxegate("teardown").returncode == 0
        holder.kill()


def in_force(log):
    return "first complete list enforced" in log()


@pytest.mark.parametrize("kind", REFUSED | CRASHES)
def test_a_start_with_a_bad_plugin_leaves_the_filter_of_before(site, kind):
    site.guard()
    with site.running() as (process, log):
        wait_for(lambda: in_force(log), "the filter is in force")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    program = site.program()
    assert program
    site.configure_plugin(*(REFUSED | CRASHES)[kind])
    ran = site.pxegate("run")
    assert ran.returncode == -signal.SIGABRT if kind in CRASHES else ran.returncode > 0
    assert site.program() == program


@pytest.mark.parametrize("kind", REFUSED)
def test_a_swap_to_a_bad_plugin_is_refused_and_the_filter_stays(site, kind):
    site.guard()
    with site.running() as (process, log):
        wait_for(lambda: in_force(log), "the filter is in force")
        site.configure_plugin(*REFUSED[kind])
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "SIGHUP: " in log(), "the reload is answered")
        assert site.program()
        assert process.poll() is None
        # It goes on as before: with the configuration that is in force.
        status = json.loads(site.pxegate("status", "--json").stdout)
        assert status["driver"]["name"] == "xdp", log()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert site.program()


@pytest.mark.parametrize("kind", CRASHES)
def test_a_swap_to_a_plugin_that_crashes_leaves_the_filter(site, kind):
    site.guard()
    with site.running() as (process, log):
        wait_for(lambda: in_force(log), "the filter is in force")
        site.configure_plugin(*CRASHES[kind])
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE) == -signal.SIGABRT
    assert site.program()


@pytest.mark.parametrize("how", ["throw", "error"])
def test_a_swap_to_a_plugin_that_cannot_sync_keeps_the_nic_filtered(site, how):
    site.guard()
    with site.running() as (process, log):
        wait_for(lambda: in_force(log), "the filter is in force")
        site.configure_plugin("misbehaving", {"in": "sync", "how": how})
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "sync(): " in log(), "its sync fails")
        assert site.program()
