# SPDX-License-Identifier: Apache-2.0
"""Makes a TCP port within a lab reachable from outside it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

from lab import Lab


@contextlib.contextmanager
def forwarded(lab: Lab, host: str, port: int) -> Iterator[int]:
    """A port of 127.0.0.1 that leads to that of `host`'s 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=[listener, lab, host, port])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, lab: Lab, host: str, port: int) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=[near, lab, host, port], daemon=True).start()


def _join(near: socket.socket, lab: Lab, host: str, port: int) -> None:
    with near, contextlib.suppress(OSError):
        with lab.entered(host):
            far = socket.socket()
        with far, selectors.DefaultSelector() as selector:
            far.connect(("127.0.0.1", port))
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while selector.get_map():
                for key, _ in selector.select():
                    data = key.fileobj.recv(65536)
                    if data:
                        key.data.sendall(data)
                    else:
                        selector.unregister(key.fileobj)
                        key.data.shutdown(socket.SHUT_WR)
