"""Ports on loopback that nobody has."""

import random
import socket

from .service import Failed

# Below what the kernel gives to outgoing connections: a server that was killed finds its port free again.
RANGE = range(20000, 32000)
TRIES = 3


def free_ports(count):
    """So many different ones. Until they are bound they are only likely to stay free."""
    ports = []
    for port in random.sample(RANGE, len(RANGE)):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise OSError(f"there are no {count} free ports in {RANGE.start}–{RANGE.stop}")


def until_free(attempt, undo):
    """Does what binds ports; once more, after `undo`, when somebody else was quicker."""
    for _ in range(TRIES - 1):
        try:
            return attempt()
        except Failed as failure:
            if "in use" not in str(failure).lower():
                raise
            undo()
    return attempt()
