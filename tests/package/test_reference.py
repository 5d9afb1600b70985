# SPDX-License-Identifier: Apache-2.0
"""What the build makes from the command line and the option table: manual
pages, completions in real shells, and the configuration reference."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ["PXEGATE_BINARY"]
REFERENCE = Path(os.environ["PXEGATE_REFERENCE"])
# Seconds that a shell may take on a busy machine.
PATIENCE = 60


def run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in command], capture_output=True, text=True,
                          check=False, timeout=PATIENCE, **options)


def help_of(path: tuple[str, ...]) -> str:
    done = run(BINARY, *path, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def section(text: str, name: str) -> list[str]:
    """The first words of the lines of a part of --help."""
    found = re.search(rf"^{name}:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  (\S+)", found.group(1), re.M) if found else []


def commands() -> dict[tuple[str, ...], dict[str, set[str]]]:
    """Every command, by its words, as --help has them."""
    every = {}
    left: list[tuple[str, ...]] = [()]
    while left:
        path = left.pop()
        text = help_of(path)
        options = {name for names in section(text, "Options") for name in names.split(",")}
        words = set(section(text, "Subcommands"))
        every[path] = {"options": options, "commands": words}
        left += [(*path, word) for word in words]
    return every


COMMANDS = commands()
DRIVERS = {line.split()[0] for line in run(BINARY, "drivers").stdout.splitlines()[1:]}


def test_the_help_is_understood():
    assert {("run",), ("policy",), ("config", "check"), ("config", "sample")} <= set(COMMANDS)
    assert {"--config-file", "--version", "-h"} <= COMMANDS[()]["options"]
    assert {"-f", "--follow", "--mac", "--json"} <= COMMANDS[("events",)]["options"]
    assert {"xdp", "nftables", "noop"} <= DRIVERS


# --- completions


def bash_words(*words: str) -> set[str]:
    """What bash completes the last of `words` to."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              '_pxegate; printf "%s\\n" "${COMPREPLY[@]}"')
    done = run("bash", "-uc", script, "bash", REFERENCE / "completions/bash/pxegate", *words)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


def fish_words(*words: str) -> set[str]:
    script = f'source "{REFERENCE}/completions/fish/pxegate.fish"; complete -C "$argv"'
    done = run("fish", "--no-config", "-c", script, " ".join(words))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return {line.split("\t")[0] for line in done.stdout.splitlines()}


class Zsh:
    """An interactive zsh that completes in a terminal."""

    PROMPT = "READY>"

    def __init__(self, home: Path) -> None:
        (home / ".zshrc").write_text(
            f"PS1='{self.PROMPT}'\nsetopt no_beep\nunsetopt prompt_sp\n"
            f"fpath=('{REFERENCE}/completions/zsh' $fpath)\n"
            "autoload -Uz compinit; compinit -u -D\n"
            "zstyle ':completion:*' list-prompt ''\nzstyle ':completion:*' menu no\n"
            "LISTMAX=10000\n", encoding="utf-8")
        self.asked = 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(ZDOTDIR=str(home), TERM="dumb", COLUMNS="200", LINES="200")
            os.execvp("zsh", ["zsh", "-i"])
        subprocess.run(["stty", "-F", "/dev/stdin",
                        "rows", "200", "cols", "200"], stdin=self.terminal, check=True)
        self.read_until(lambda text: self.PROMPT in text)

    def read_until(self, enough) -> str:
        text, deadline = "", time.monotonic() + PATIENCE
        while not enough(text):
            left = deadline - time.monotonic()
            assert left > 0, f"zsh showed only: {text}"
            if select.select([self.terminal], [], [], left)[0]:
                text += os.read(self.terminal, 65536).decode(errors="replace")
        return text

    def words(self, line: str, expected: set[str]) -> set[str]:
        """What it lists behind `line`: all of `expected`, or it fails."""
        def listed(text: str) -> set[str]:
            return set(re.findall(r"[\w.-]+", text.replace(line, "")))
        os.write(self.terminal, f"{line}\t".encode())
        text = self.read_until(lambda text: expected <= listed(text))
        # Drops the line, and reads up to where the next begins.
        self.asked += 1
        os.write(self.terminal, f"\x15echo done-{self.asked}\r".encode())
        self.read_until(lambda text: f"\ndone-{self.asked}\r" in text)
        return listed(text)

    def close(self) -> None:
        os.write(self.terminal, b"\x15exit\r")
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module")
def zsh(tmp_path_factory):
    shell = Zsh(tmp_path_factory.mktemp("zsh"))
    yield shell
    shell.close()


@pytest.mark.parametrize("complete", [bash_words, fish_words])
@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_every_command_and_option_is_completed(complete, path):
    known = COMMANDS[path]
    assert known["commands"] <= complete("pxegate", *path, "")
    long = {name for name in known["options"] if name.startswith("--")}
    assert long <= complete("pxegate", *path, "--")
    short = known["options"] - long
    assert short <= complete("pxegate", *path, "-")


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_every_command_and_option_is_completed_by_zsh(zsh, path):
    known = COMMANDS[path]
    line = " ".join(("pxegate", *path, ""))
    if len(known["commands"]) > 1:
        zsh.words(line, known["commands"])
    options = known["options"]
    zsh.words(line + "-", options)


@pytest.mark.parametrize("complete", [bash_words, fish_words])
def test_values_and_what_stands_before_are_understood(complete, tmp_path):
    assert complete("pxegate", "teardown", "--driver", "") == DRIVERS
    assert complete("pxegate", "teardown", "--driver", "n") == {
        name for name in DRIVERS if name.startswith("n")}
    # A file called as a command is none.
    assert "check" not in complete("pxegate", "--config-file", "config", "")
    assert "--connect" in complete("pxegate", "--config-file", "run", "config", "check", "--")
    (tmp_path / "some.conf").touch()
    assert f"{tmp_path}/some.conf" in complete("pxegate", "--config-file", f"{tmp_path}/so")
    assert "--connect" not in complete("pxegate", "status", "--")


def test_bash_completes_behind_an_equals_sign():
    assert bash_words("pxegate", "teardown", "--driver", "=", "x") == {"xdp"}
    assert bash_words("pxegate", "teardown", "--driver", "=") == DRIVERS
    assert "check" in bash_words("pxegate", "--config-file", "=", "run", "config", "")


def test_zsh_completes_the_drivers(zsh):
    zsh.words("pxegate teardown --driver ", DRIVERS)


@pytest.mark.parametrize("shell,file", [("bash", "bash/pxegate"), ("zsh", "zsh/_pxegate"),
                                        ("fish", "fish/pxegate.fish")])
def test_completions_are_clean(shell, file):
    done = run(shell, "-n", REFERENCE / "completions" / file)
    assert (done.returncode, done.stderr) == (0, "")
    if shell == "bash":
        done = run("shellcheck", REFERENCE / "completions" / file)
        assert done.returncode == 0, done.stdout


# --- manual pages


@pytest.mark.parametrize("page", ["pxegate.8", "pxegate.conf.5"])
def test_manual_pages_are_clean(page):
    path = REFERENCE / page
    done = run("mandoc", "-T", "lint", path)
    assert (done.returncode, done.stdout) == (0, "")
    done = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path,
               env={**os.environ, "MANROFFSEQ": "", "MANWIDTH": "80"})
    assert (done.returncode, done.stderr) == (0, "")


def manual(page: str) -> str:
    done = run("man", "-E", "ascii", "-l", REFERENCE / page,
               env={**os.environ, "MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""})
    assert done.returncode == 0, done.stderr
    return re.sub(r"\s+", " ", done.stdout)


def test_the_manual_has_every_command_and_option():
    text = manual("pxegate.8")
    for path, known in COMMANDS.items():
        assert " ".join(path) in text
        for option in known["options"]:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), (path, option)
    for part in ("SYNOPSIS", "EXIT STATUS", "SIGNALS", "ENVIRONMENT", "FILES", "SEE ALSO"):
        assert part in text


def sample() -> dict[str, list[str]]:
    """The options of each section in the sample configuration."""
    options: dict[str, list[str]] = {}
    for line in run(BINARY, "config", "sample").stdout.splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            options[found[1]] = []
        elif found := re.match(r"#?(\w+) =", line):
            options[list(options)[-1]].append(found[1])
    return options


def test_the_manual_of_the_configuration_has_every_option_in_its_section():
    text = manual("pxegate.conf.5")
    parts = dict(re.findall(r" \[(\w+)\] (.*?)(?= \[\w+\] \w+ \(| IGNORED )", text))
    options = sample()
    assert options
    for name, of_it in options.items():
        for option in of_it:
            assert f"{option} (" in parts[name], (name, option)


def test_the_sample_is_what_the_program_prints():
    assert (REFERENCE / "pxegate.conf").read_text() == run(BINARY, "config", "sample").stdout


def test_the_configuration_reference_is_not_stale():
    page = ROOT / "docs" / "configuration.md"
    assert page.read_text() == (REFERENCE / "configuration.md").read_text(), (
        "docs/configuration.md is not what the option table says: renew it with "
        "`cmake --build BUILD --target write_docs`")
    for name, of_it in sample().items():
        part = page.read_text().split(f"\n## [{name}]\n")[1].split("\n## ")[0]
        for option in of_it:
            assert f"**`{option}`**" in part
