# SPDX-License-Identifier: Apache-2.0
"""A pxegate with a plugin folder of its own, and a fake Ironic for it.

Needs what tests/plugin/build makes, in $PXEGATE_PLUGINS.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ["PXEGATE_BINARY"]
PLUGINS = pathlib.Path(os.environ["PXEGATE_PLUGINS"])
PATIENCE = 60


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.02)


class Site:
    """A plugin folder, and a configuration that refers to it."""

    def __init__(self, path):
        self.path = path
        self.plugin_dir = path / "plugins"
        self.plugin_dir.mkdir(mode=0o755)
        self.marker = path / "marker"
        self.socket = path / "pxegate.sock"
        self.ironic = "http://127.0.0.1:9"
        self.config = path / "pxegate.conf"
        self.prefix = []  # of every command, as nsenter

    def add(self, name, under=None):
        """Puts NAME.so of the zoo into the plugin folder."""
        target = self.plugin_dir / f"{under or name}.so"
        shutil.copy(PLUGINS / "zoo" / f"{name}.so", target)
        target.chmod(0o644)
        return target

    def write(self, name, content):
        target = self.plugin_dir / f"{name}.so"
        target.write_bytes(content)
        target.chmod(0o644)
        return target

    def configure(self, driver, **options):
        """`options` stand in the section of the driver's name."""
        section = "".join(f"{key} = {value}\n" for key, value in options.items())
        self.config.write_text(
            f"[pxe_filter]\ndriver = {driver}\nplugin_dir = {self.plugin_dir}\n"
            f"[ironic]\nendpoint_override = {self.ironic}\n"
            f"[api]\nsocket = {self.socket}\n[{driver}]\n{section}",
            encoding="utf-8")

    def argv(self, command):
        return [*self.prefix, BINARY, "--config-file", self.config, *command]

    @property
    def environment(self):
        return {**os.environ, "PXEGATE_ZOO_MARKER": str(self.marker)}

    def pxegate(self, *command):
        return subprocess.run(self.argv(command), text=True,
                              capture_output=True, timeout=PATIENCE,
                              env=self.environment, check=False)

    def listed(self, name):
        rows = json.loads(self.pxegate("drivers", "--json").stdout)["drivers"]
        return [row for row in rows if row["name"] == name]

    @contextlib.contextmanager
    def running(self):
        """A controller; yields its process and a function that reads its log."""
        log_file = self.path / "log"
        with open(log_file, "wb") as log:
            process = subprocess.Popen(self.argv(["run"]), stderr=log,
                                       env=self.environment)
        def text():
            return log_file.read_text(encoding="utf-8", errors="replace")
        try:
            yield process, text
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


@contextlib.contextmanager
def fake_ironic(prefix=()):
    """The URL of an Ironic with one node, which is active."""
    with subprocess.Popen(
        [*prefix, "/usr/bin/python3", ROOT / "tests/support/fake_ironic.py",
         "--nodes", "1", "--ports", "1"],
        stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
