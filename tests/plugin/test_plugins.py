# SPDX-License-Identifier: Apache-2.0
"""Plugins, good and bad, through the program itself."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from plugin_site import BINARY, PATIENCE, PLUGINS, Site, fake_ironic, wait_for

EXIT_FAILURE, EXIT_USAGE = 1, 2
ELF_HEADER_SIZE = 64


@pytest.fixture(name="site")
def a_site(tmp_path):
    return Site(tmp_path)


# --- refused before any of it runs

def test_a_good_plugin_is_listed_and_runs(site):
    path = site.add("misbehaving")
    site.configure("misbehaving", file=site.path / "filter")
    assert site.listed("misbehaving") == [
        {"name": "misbehaving", "configured": True, "origin": str(path),
         "summary": "goes wrong where it is told to"}]
    with site.running() as (process, log):
        wait_for(lambda: "runs: driver misbehaving" in log(), "it runs")
        assert (site.path / "filter").read_text() == "deny\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_listing_runs_nothing_of_a_plugin(site):
    site.add("plain")
    site.add("wrong_toolchain")
    site.configure("noop")
    site.pxegate("drivers")
    assert not site.marker.exists()


REFUSED = {
    "wrong_abi": ["version 999 of the driver ABI", "build the plugin"],
    "wrong_toolchain": ["another toolchain", "pxegate-9.9.9", "build it again"],
    "no_note": ["no pxegate note", "PXEGATE_DRIVER_PLUGIN"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_made_for_another_pxegate_is_refused_unexecuted(site, name):
    path = site.add(name)
    site.configure(name)
    [row] = site.listed(name)
    ran = site.pxegate("run")
    for text in [row["problem"], ran.stderr]:
        assert str(path) in text
        for part in REFUSED[name]:
            assert part in text
    assert row["configured"]
    assert ran.returncode == EXIT_USAGE
    assert not site.marker.exists()


def test_the_marker_is_made_by_a_plugin_that_is_loaded(site):
    # Else the tests above would show nothing.
    site.add("plain")
    site.configure("plain")
    site.pxegate("status")
    assert site.marker.exists()


def whole():
    return (PLUGINS / "zoo" / "plain.so").read_bytes()


def patched(offset, replacement):
    return whole()[:offset] + replacement + whole()[offset + len(replacement):]


NO_LIBRARIES = {
    "empty": (b"", "no ELF file"),
    "a text": (b"#!/bin/sh\necho a script\n", "no ELF file"),
    "a header alone": (lambda: whole()[:ELF_HEADER_SIZE], "cut short"),
    "half of it": (lambda: whole()[:8192], "cut short"),
    "for 32 bits": (lambda: patched(4, b"\x01"), "another kind of processor"),
    "for big endians": (lambda: patched(5, b"\x02"), "another kind of processor"),
    "for SPARC": (lambda: patched(18, b"\x02\x00"), "another kind of processor"),
    "an object file": (lambda: patched(16, b"\x01\x00"), "no shared object"),
    "segments nowhere": (lambda: patched(32, b"\xff" * 8), "cut short"),
    "many segments": (lambda: patched(56, b"\xff\xff"), "cut short"),
    "no segments": (lambda: patched(56, b"\x00\x00"), "cut short"),
}


@pytest.mark.parametrize("kind", NO_LIBRARIES)
def test_what_is_no_library_is_refused(site, kind):
    content, message = NO_LIBRARIES[kind]
    path = site.write("plain", content() if callable(content) else content)
    site.configure("plain")
    ran = site.pxegate("run")
    assert ran.returncode == EXIT_USAGE
    assert str(path) in ran.stderr and message in ran.stderr
    assert message in site.listed("plain")[0]["problem"]


@pytest.mark.parametrize("where", ["header", "rest"])
def test_garbage_in_section_headers_changes_nothing(site, where):
    # Neither pxegate nor the dynamic linker looks at sections.
    content = patched(40, b"\xff" * 8) if where == "header" else whole()[:-256] + b"\xff" * 256
    site.write("plain", content)
    site.configure("plain")
    with site.running() as (_, log):
        wait_for(lambda: "runs: driver plain" in log(), "it runs")


def change_mode(mode):
    return lambda path: path.chmod(mode)


def change_owner(path):
    os.chown(path, 12345, 0)


def change_to_symlink(path):
    target = path.parent.parent / "elsewhere.so"
    path.rename(target)
    path.symlink_to(target)


def change_to_fifo(path):
    path.unlink()
    os.mkfifo(path, 0o644)


def change_to_folder(path):
    path.unlink()
    path.mkdir()


UNTRUSTED = {
    "writable by others": (change_mode(0o646), "chmod go-w"),
    "writable by its group": (change_mode(0o664), "chmod go-w"),
    "somebody else's": (change_owner, "chown root"),
    "a symbolic link": (change_to_symlink, "symbolic link"),
    "a FIFO": (change_to_fifo, "no regular file"),
    "a folder": (change_to_folder, "no regular file"),
    "in a folder writable by others":
        (lambda path: path.parent.chmod(0o757), "chmod go-w"),
    "in somebody else's folder":
        (lambda path: change_owner(path.parent), "chown root"),
    "below a folder writable by others":
        (lambda path: path.parent.parent.chmod(0o777), "chmod go-w"),
}


@pytest.mark.parametrize("kind", UNTRUSTED)
def test_what_others_could_have_put_there_is_refused(site, kind):
    change, message = UNTRUSTED[kind]
    path = site.add("plain")
    site.configure("plain")
    change(path)
    ran = site.pxegate("run")
    assert ran.returncode in (EXIT_FAILURE, EXIT_USAGE)
    assert message in ran.stderr
    assert message in site.listed("plain")[0]["problem"]


def test_a_plugin_named_like_a_built_in_driver_is_refused_and_harms_nobody(site):
    path = site.add("xdp")
    site.configure("noop")
    builtin, plugin = sorted(site.listed("xdp"), key=lambda row: "problem" in row)
    assert builtin["origin"] == "built-in"
    assert plugin["origin"] == str(path)
    assert "another name" in plugin["problem"]
    with site.running() as (_, log):
        wait_for(lambda: "runs: driver noop" in log(), "another driver runs")


@pytest.mark.parametrize("name", ["Upper", "with space", ".hidden", "plain2"])
def test_a_plugin_of_an_unfit_name_is_refused(site, name):
    site.add("plain", under=name)
    site.configure("noop")
    assert "problem" in site.listed(name)[0]


def test_a_plugin_named_like_a_section_is_refused(site):
    # Its options would be those of pxegate itself, credentials among them.
    site.add("ironic")
    site.configure("noop")
    assert "is a section of pxegate's own" in site.listed("ironic")[0]["problem"]


@pytest.mark.parametrize("name", ["../evil", "a/b", "nosuch"])
def test_an_unknown_driver_tells_what_there_is_and_where_plugins_are(site, name):
    shutil.copy(PLUGINS / "zoo" / "plain.so", site.path / "evil.so")
    site.add("plain")
    site.configure(name)
    ran = site.pxegate("run")
    assert ran.returncode == EXIT_USAGE
    if "/" not in name:
        assert "noop, xdp, plain" in ran.stderr
        assert str(site.plugin_dir) in ran.stderr


def test_no_plugin_folder_is_no_problem(site):
    site.plugin_dir.rmdir()
    site.configure("noop")
    done = site.pxegate("drivers")
    assert done.returncode == 0 and "UNUSABLE" not in done.stdout


def test_the_program_exports_what_drivers_build_on_and_nothing_else():
    # What it exports takes the place of what a plugin calls the same.
    symbols = subprocess.run(["nm", "-DC", "--defined-only", BINARY], text=True,
                             check=True, stdout=subprocess.PIPE).stdout
    for shared in ["pxegate::log::write(", "pxegate::apply(", "pxegate::quoted"]:
        assert shared in symbols
    for private in ["pxegate::SyncLoop::", "pxegate::make_xdp_driver",
                    "pxegate::Table::", "CLI::App::"]:
        assert private not in symbols


# --- refused when it is loaded

UNLOADABLE = {
    "undefined_symbol": (["undefined symbol", "missing"], EXIT_USAGE),
    "no_getter": (["exports no pxegate_driver_module()"], EXIT_USAGE),
    "null_getter": (["does not return what"], EXIT_USAGE),
    "throwing_getter": (["threw", "the getter is out of order"], EXIT_FAILURE),
}


@pytest.mark.parametrize("name", UNLOADABLE)
def test_what_cannot_be_loaded_ends_in_an_error(site, name):
    parts, status = UNLOADABLE[name]
    path = site.add(name)
    site.configure(name)
    ran = site.pxegate("run")
    assert ran.returncode == status
    for part in [str(path), *parts]:
        assert part in ran.stderr


FACTORY = {
    "throw": "out of order",
    "throw_int": "something unknown",
    "error": "bad options",
    "null": "made no driver",
}


@pytest.mark.parametrize("how", FACTORY)
def test_a_factory_that_makes_no_driver_ends_in_an_error(site, how):
    path = site.add("misbehaving")
    site.configure("misbehaving", **{"in": "factory", "how": how})
    for command in ["run", "teardown"]:
        ran = site.pxegate(command)
        assert ran.returncode in (EXIT_FAILURE, EXIT_USAGE)
        assert str(path) in ran.stderr and FACTORY[how] in ran.stderr


def test_a_plugin_that_was_replaced_takes_a_restart(site):
    # The old code would run, under the new one's name.
    site.add("plain")
    site.configure("plain")
    with site.running() as (process, log):
        wait_for(lambda: "runs: driver plain" in log(), "it runs")
        new = site.add("plain2", under="new")
        new.rename(site.plugin_dir / "plain.so")
        site.configure("plain", option="changed")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "SIGHUP: " in log(), "the reload is answered")
        assert "was replaced" in log() and "restart pxegate" in log()
        assert process.poll() is None
    with site.running() as (process, log):
        wait_for(lambda: "runs: driver plain" in log(), "the new one runs")


# --- goes wrong while it runs

@pytest.mark.parametrize("how", ["throw", "throw_int", "error"])
def test_initialize_that_fails_ends_in_an_error(site, how):
    path = site.add("misbehaving")
    site.configure("misbehaving", **{"in": "initialize", "how": how})
    ran = site.pxegate("run")
    assert ran.returncode == EXIT_FAILURE
    assert str(path) in ran.stderr and "initialize()" in ran.stderr


@pytest.mark.parametrize("how", ["throw", "throw_int", "error"])
def test_sync_that_fails_is_told_and_leaves_the_filter_closed(site, how):
    path = site.add("misbehaving")
    filter_file = site.path / "filter"
    with fake_ironic() as site.ironic:
        site.configure("misbehaving", **{"in": "sync", "how": how, "file": filter_file})
        with site.running() as (process, log):
            wait_for(lambda: "sync(): " in log(), "it fails")
            assert str(path) in log()
            assert process.poll() is None
            assert filter_file.read_text() == "deny\n"
            status = site.pxegate("status")
            assert status.returncode != 0 and "sync()" in status.stdout


@pytest.mark.parametrize("place,how,told", [
    ("status", "throw", "status()"),
    ("status", "lie", "calls itself"),
    ("sync_period", "throw", None),
    ("sync_period", "lie", None),
    ("wake_fd", "throw", None),
    ("wake_fd", "lie", None),
])
def test_nonsense_that_is_told_ends_in_the_guard(site, place, how, told):
    site.add("misbehaving")
    with fake_ironic() as site.ironic:
        site.configure("misbehaving", **{"in": place, "how": how,
                                         "file": site.path / "filter"})
        with site.running() as (process, log):
            wait_for(lambda: "misbehaving: synchronized" in log(), "it syncs")
            status = json.loads(site.pxegate("status", "--json").stdout)
            assert status["driver"]["name"] == "misbehaving"
            if told:
                assert not status["healthy"]
                assert told in json.dumps(status)
            else:
                assert f"{place}()" in log()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("how", ["throw", "abort"])
@pytest.mark.parametrize("place", ["tear_down", "reset", "shut_down", "destructor"])
def test_what_crashes_at_the_end_leaves_its_filter_in_force(site, place, how):
    site.add("misbehaving")
    filter_file = site.path / "filter"
    options = {"in": place, "how": how, "file": filter_file}
    site.configure("misbehaving", **options)
    with site.running() as (process, log):
        wait_for(lambda: "runs: driver misbehaving" in log(), "it runs")
        if place == "tear_down":
            done = site.pxegate("teardown")
            assert done.returncode != 0
            if how == "throw":
                assert "out of order" in done.stderr
                assert process.poll() is None  # and goes on filtering
                process.kill()
        else:
            process.send_signal(signal.SIGTERM)
        # reset() is not called at a clean stop; what is noexcept ends by SIGABRT.
        expected = {"tear_down": -signal.SIGKILL if how == "throw" else -signal.SIGABRT,
                    "reset": 0}.get(place, -signal.SIGABRT)
        assert process.wait(PATIENCE) == expected
    assert filter_file.read_text() == "deny\n"
    # What a crash left behind can be removed.
    site.configure("misbehaving", file=filter_file)
    assert site.pxegate("teardown").returncode == 0
    assert not filter_file.exists()
