#!/usr/bin/env python3
"""Passes connections from ports of loopback on into another network namespace.

    relay.py NAMESPACE PORT=HOST:PORT…

It listens where it is started and connects from inside the namespace: a socket stays where it was made.
"""

import asyncio
import ctypes
import os
import socket
import sys

NEWNET = 0x40000000


async def pass_on(reader, writer):
    """What comes from the one goes to the other, to its end."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # The other half is of no use any more either.
        writer.transport.abort()


async def relay(host, port, reader, writer):
    """One connection."""
    try:
        there_reader, there_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))
    for each in (writer, there_writer):
        each.close()


async def main(namespace, pairs):
    listeners = []
    for pair in pairs:
        port, _, target = pair.partition("=")
        host, _, target_port = target.rpartition(":")
        listener = socket.create_server(("127.0.0.1", int(port)), backlog=4096)
        listeners.append((listener, host, int(target_port)))
    with open(namespace) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), NEWNET):
            sys.exit(f"{namespace}: {os.strerror(ctypes.get_errno())}")
    servers = [
        await asyncio.start_server(lambda r, w, host=host, port=port: relay(host, port, r, w), sock=listener)
        for listener, host, port in listeners
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
