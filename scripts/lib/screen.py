# SPDX-License-Identifier: Apache-2.0
"""What scripts/demo shows on the terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence

_STYLES = {"bold": "1", "dim": "2", "good": "32", "bad": "1;31", "head": "1;36"}


class OutputGone(Exception):
    """Nobody reads what is printed any more."""


class Screen:
    """Plain text; colour and a line that changes in place only on a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._colour = (
            self.is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )
        self.columns = min(shutil.get_terminal_size((100, 24)).columns, 100)

    def styled(self, text: str, style: str) -> str:
        if not self._colour:
            return text
        return f"\033[{_STYLES[style]}m{text}\033[0m"

    def line(self, text: str = "") -> None:
        self._write(text + "\n")

    def title(self, text: str) -> None:
        rule = "-" * max(self.columns - len(text) - 4, 0)
        self.line()
        self.line(self.styled(f"-- {text} {rule}", "head"))

    def paragraph(
        self, label: str, text: str, style: str | None = None, margin: int = 8
    ) -> None:
        """Text behind a label in the margin, wrapped to the terminal."""
        lines = textwrap.wrap(text, self.columns - margin, break_on_hyphens=False)
        for line in lines:
            shown = self.styled(line, style) if style else line
            padding = " " * (margin - len(label))
            self.line((self.styled(label, "bold") if label else "") + padding + shown)
            label = ""

    def table(
        self, rows: Sequence[Sequence[str]], style: Callable[[str], str | None]
    ) -> None:
        """Rows in columns; `style` names the style of a cell by its text."""
        # A row of one cell runs across the columns.
        full = [row for row in rows if len(row) > 1]
        widths = [max(map(len, column)) for column in zip(*full)]
        gap = "  " if sum(widths) + 2 * len(widths) <= self.columns else " "
        for row in rows:
            cells = []
            for cell, width in zip(row, widths):
                name = style(cell)
                shown = self.styled(cell, name) if name else cell
                cells.append(shown + " " * (width - len(cell)))
            self.line(gap.join(cells).rstrip())

    @contextlib.contextmanager
    def progress(self, text: str, *, transient: bool = False) -> Iterator[None]:
        """Shows that something is at work, and at the end how long it took.

        What is transient leaves no line behind.
        """
        started = time.monotonic()
        stop = threading.Event()
        ticker = threading.Thread(
            target=self._tick, args=(text, started, stop), daemon=True
        )
        ticker.start()
        try:
            yield
        except BaseException:
            self._end_progress(stop, ticker)
            raise
        self._end_progress(stop, ticker)
        if not transient:
            self.line(f"  {text}: {time.monotonic() - started:.0f} s")

    def _tick(self, text: str, started: float, stop: threading.Event) -> None:
        # A log grows by a line now and then, a terminal's line changes.
        period = 0.5 if self.is_terminal else 15
        while not stop.wait(period):
            line = f"  {text} ... {time.monotonic() - started:.0f} s"
            with contextlib.suppress(OutputGone):
                self._write(f"\r{line}\033[K" if self.is_terminal else line + "\n")

    def _end_progress(self, stop: threading.Event, ticker: threading.Thread) -> None:
        stop.set()
        ticker.join()
        if self.is_terminal:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            # What is printed from here on, while cleaning up, goes nowhere.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")
            raise OutputGone from error
