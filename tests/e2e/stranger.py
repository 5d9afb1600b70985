# SPDX-License-Identifier: Apache-2.0
"""Somebody else on the message bus, who may write what they like to where Ironic's
notifications are, and read along."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import amqp

from lab import Lab

EXCHANGE = "ironic"
TOPIC = "ironic_versioned_notifications"


class Stranger:
    """A connection to the lab's RabbitMQ, as Ironic's own user."""

    def __init__(self, lab: Lab) -> None:
        self._connection = amqp.Connection(
            "127.0.0.1:5672", userid="ironic", password="secret-of-ironic"
        )
        with lab.entered("spine"):
            self._connection.connect()
        self._channel = self._connection.channel()

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def say(self, body: bytes, priority: str = "info") -> None:
        message = amqp.Message(body, content_type="application/json")
        self._channel.basic_publish(
            message, exchange=EXCHANGE, routing_key=f"{TOPIC}.{priority}"
        )

    def claim(self, event: str, **data: Any) -> None:
        """A notification as Ironic sends it."""
        self.say(notification(event, **data))

    @contextlib.contextmanager
    def listening(self) -> Iterator[Ear]:
        """Reads what comes from now on, beside the others."""
        queue = self._channel.queue_declare(exclusive=True, auto_delete=True).queue
        self._channel.queue_bind(queue, EXCHANGE, f"{TOPIC}.info")
        yield Ear(self._channel, queue)
        self._channel.queue_delete(queue)


class Ear:
    """A queue, read one by one."""

    def __init__(self, channel: Any, queue: str) -> None:
        self._channel = channel
        self._queue = queue

    def next(self, timeout: float) -> dict[str, Any]:
        """The next message's body, decoded, with its envelope if it has one."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = self._channel.basic_get(self._queue, no_ack=True)
            if message is not None:
                return json.loads(message.body)
            time.sleep(0.05)
        raise TimeoutError(f"no message within {timeout} s")


def notification(event: str, **data: Any) -> bytes:
    payload = {"ironic_object.name": "Payload", "ironic_object.data": data}
    message = {
        "event_type": f"baremetal.{event}",
        "publisher_id": "ironic-conductor.localhost",
        "priority": "INFO",
        "payload": payload,
    }
    return json.dumps(
        {"oslo.version": "2.0", "oslo.message": json.dumps(message)}
    ).encode()
