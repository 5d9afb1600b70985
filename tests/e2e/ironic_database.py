# SPDX-License-Identifier: Apache-2.0
"""Ironic's own database (SQLite): filled by hand, made to log, and read beside it.

Nothing of pxegate's is used. What is written here no running Ironic can tell from what
it wrote itself.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

# The log's times are of the statement, within the transaction that commits it.
_LOG = """
CREATE TABLE IF NOT EXISTS pxegate_log (
  id INTEGER PRIMARY KEY, node INTEGER, state TEXT, interface TEXT, stamp REAL);
CREATE TRIGGER IF NOT EXISTS pxegate_log_states
  AFTER UPDATE OF provision_state, inspect_interface ON nodes
  WHEN OLD.provision_state IS NOT NEW.provision_state
    OR OLD.inspect_interface IS NOT NEW.inspect_interface
  BEGIN
    INSERT INTO pxegate_log (node, state, interface, stamp) VALUES (
      NEW.id, NEW.provision_state, NEW.inspect_interface,
      (julianday('now') - 2440587.5) * 86400.0);
  END;
CREATE TABLE IF NOT EXISTS pxegate_membership (what TEXT, id INTEGER);
DELETE FROM pxegate_membership;
"""
_MEMBERSHIP = """
CREATE TRIGGER IF NOT EXISTS pxegate_membership_{table}_{event}
  AFTER {event} ON {table}
  BEGIN INSERT INTO pxegate_membership VALUES ('{event} {table}', {row}.id); END;
"""


class Change(NamedTuple):
    """A node's state, as it has become."""

    id: int
    node: int
    state: str
    interface: str | None
    stamp: float  # seconds since the epoch, to a millisecond or so


def read_without_locks(database: Path) -> None:
    """Lets it be read while others write (WAL); also holds for those that use it now."""
    until = time.monotonic() + 30
    with closing(sqlite3.connect(database)) as connection:
        while True:
            # Of all statements this one does not wait while the database is locked.
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
                continue
            assert mode == "wal", mode
            return


def keep_log(database: Path) -> None:
    """Lets the database log each change of a node's state, in the transaction that makes
    it; and lets it be read while others write."""
    read_without_locks(database)
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(_LOG)
        for table, event, row in (
            *(("nodes", "INSERT", "NEW"), ("nodes", "DELETE", "OLD")),
            *(("ports", "INSERT", "NEW"), ("ports", "DELETE", "OLD")),
            ("ports", "UPDATE OF address, node_id", "NEW"),
        ):
            sql = _MEMBERSHIP.format(table=table, event=event, row=row)
            connection.executescript(
                sql.replace(f"{table}_{event}", f"{table}_{event.split()[0]}")
            )


def multiply(
    database: Path,
    template: str,
    count: int,
    ports_each: int,
    mac_of: Callable[[int], str],
    prefix: str,
    **columns: str | None,
) -> list[str]:
    """Copies the row of the node that is named `template`, and of its first port, into
    `count` nodes of `ports_each` ports; returns their UUIDs.

    They are named PREFIX0, PREFIX1 …; `mac_of` gives the address of the n-th port;
    `columns` are columns of the nodes that shall be otherwise.
    """
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        connection.row_factory = sqlite3.Row
        node = dict(
            connection.execute("SELECT * FROM nodes WHERE name = ?", [template]).fetchone()
        )
        port = dict(
            connection.execute(
                "SELECT * FROM ports WHERE node_id = ? LIMIT 1", [node["id"]]
            ).fetchone()
        )
        # Its conductor may be at work on that very node.
        node.update({"reservation": None, **columns})
        first = connection.execute("SELECT max(id) FROM nodes").fetchone()[0] + 1
        first_port = connection.execute("SELECT max(id) FROM ports").fetchone()[0] + 1
        uuids = [str(uuid.uuid4()) for _ in range(count)]

        def nodes() -> Iterator[dict[str, object]]:
            for i, own in enumerate(uuids):
                yield {**node, "id": first + i, "uuid": own, "name": f"{prefix}{i}"}

        def ports() -> Iterator[dict[str, object]]:
            for i in range(count * ports_each):
                yield {
                    **port,
                    "id": first_port + i,
                    "uuid": str(uuid.uuid4()),
                    "address": mac_of(i),
                    "node_id": first + i // ports_each,
                    "name": None,
                }

        with connection:
            for table, row, rows in (("nodes", node, nodes()), ("ports", port, ports())):
                names = ", ".join(row)
                values = ", ".join(f":{name}" for name in row)
                connection.executemany(
                    f"INSERT INTO {table} ({names}) VALUES ({values})", rows
                )
    return uuids


class Database:
    """Ironic's database, read only, while Ironic writes. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        self._connection.isolation_level = None
        self._version: int | None = None

    def ports(self) -> dict[str, int]:
        """The node, by its row, of each address."""
        return dict(self._connection.execute("SELECT address, node_id FROM ports"))

    def names(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT name, id FROM nodes"))

    def states(self) -> tuple[int, dict[int, tuple[str, str | None]]]:
        """State and inspect interface of each node, by its row; and the last change in
        the log that is in them."""
        self._connection.execute("BEGIN")
        try:
            last = self._connection.execute("SELECT max(id) FROM pxegate_log").fetchone()
            rows = self._connection.execute(
                "SELECT id, provision_state, inspect_interface FROM nodes"
            )
            return last[0] or 0, {id: (state, via) for id, state, via in rows}
        finally:
            self._connection.execute("COMMIT")

    def membership_changes(self) -> list[str]:
        """How nodes and ports came and went since keep_log()."""
        return [
            f"{what} {id}"
            for what, id in self._connection.execute("SELECT * FROM pxegate_membership")
        ]

    def changes(self, after: int) -> list[Change]:
        """What the log has got after `after`; cheap where nobody wrote at all."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        self._version = version
        found = self._connection.execute(
            "SELECT id, node, state, interface, stamp FROM pxegate_log WHERE id > ? "
            "ORDER BY id",
            [after],
        )
        return [Change(*row) for row in found]
