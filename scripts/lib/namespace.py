# SPDX-License-Identifier: Apache-2.0
"""Sockets in another network namespace."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
from collections.abc import Iterator


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Puts the calling thread, and it alone, into a network namespace."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(namespace, "rb") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    clone_newnet = 0x40000000  # os.setns came with Python 3.12
    if _libc.setns(fd, clone_newnet) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


class HttpConnection(http.client.HTTPConnection):
    """An HTTP connection made in another network namespace."""

    def __init__(self, namespace: str, server: tuple[str, int], timeout: float) -> None:
        super().__init__(*server, timeout=timeout)
        self._namespace = namespace

    def connect(self) -> None:
        # A socket stays where it was made.
        with entered(self._namespace):
            super().connect()
