"""Where services live: all on loopback, or each in a network namespace that it can be cut off in."""

import json
import subprocess
import sys
from pathlib import Path

from .service import Failed, Service

LOOPBACK = "127.0.0.1"
# The networks, by what a node reaches, or is reached by, through each.
READERS, NATS, POSTGRES = "readers", "nats", "postgres"
NETWORKS = (READERS, NATS, POSTGRES)
# Addresses of loopback, though on cables: the server is open to these without keys, and no other network
# of the machine's has them.
PREFIX = "127.77"
RELAY = Path(__file__).resolve().parent / "relay.py"


class Loopback:
    """One machine: every service has the same address, and nothing can be cut."""

    def join(self, name, networks):
        """A place for a service: what it is run by, and its address in each network."""
        return [], dict.fromkeys(networks, LOOPBACK)

    def publish(self, ports):
        """Lets ports be found on loopback: they are already."""


class Namespaces:
    """A namespace for each service, with a cable into each network that it is on.

    The networks are bridges in a namespace of their own, the hub, where the balancer is too: the
    machine's own network is not touched. All is found again by the folder's name. A relay makes the
    services' ports those of loopback outside.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.name = "tw-" + self.folder.name.rpartition("-")[2]
        self.relay = Service(self.folder / "relay")

    def set_up(self):
        """Makes the networks."""
        try:
            ip("netns", "add", self.hub)
        except (Failed, OSError) as failure:
            raise Failed(f"--netns needs root, and Linux's network namespaces: {failure}") from failure
        prepare(self.hub)
        for index, network in enumerate(NETWORKS):
            ip("-n", self.hub, "link", "add", network, "type", "bridge")
            ip("-n", self.hub, "link", "set", network, "up")
            ip("-n", self.hub, "addr", "add", f"{PREFIX}.{index}.254/24", "dev", network)

    @property
    def hub(self):
        """The namespace that the cables lead to."""
        return f"{self.name}-hub"

    def join(self, name, networks):
        """A place for a service: what it is run by, and its address in each network."""
        namespace = f"{self.name}-{name}"
        ip("netns", "add", namespace)
        prepare(namespace)
        kind, _, number = name.partition("-")
        # No two on a network have the same: nodes count from 11, nats-servers from 101.
        last = {"node": 10, "nats": 100}.get(kind, 200) + int(number or 1)
        addresses = {}
        for network in networks:
            addresses[network] = f"{PREFIX}.{NETWORKS.index(network)}.{last}"
            cable = ("type", "veth", "peer", "name", network, "netns", namespace)
            ip("-n", self.hub, "link", "add", end(name, network), *cable)
            ip("-n", self.hub, "link", "set", end(name, network), "master", network, "up")
            ip("-n", namespace, "link", "set", network, "up")
            ip("-n", namespace, "addr", "add", f"{addresses[network]}/24", "dev", network)
        return inside(namespace), addresses

    def inside_hub(self):
        """What runs a program where the cables meet."""
        return inside(self.hub)

    def join_hub(self):
        """The balancer's place: it is where the cables meet, and cannot be cut off."""
        return inside(self.hub), {READERS: f"{PREFIX}.{NETWORKS.index(READERS)}.254"}

    def publish(self, ports):
        """Lets ports be found on loopback; `ports` has the address of each."""
        pairs = [f"{port}={address}:{port}" for port, address in ports.items()]
        self.relay.prepare([sys.executable, RELAY, f"/run/netns/{self.hub}", *pairs])
        self.relay.start()

    def cut(self, service, network, whole):
        """Pulls a service's cable into one network, or all of them; or puts it in again, when `whole`."""
        cables = self.cables(service)
        wanted = [each for each in cables if network in (None, each)]
        if not wanted:
            raise Failed(f"{service.name} is on {', '.join(cables) or 'no network'}, not on {network}")
        for each in wanted:
            ip("-n", self.hub, "link", "set", end(service.name, each), "up" if whole else "down")

    def cables(self, service):
        """The networks that a service is on, and whether its cable is in."""
        links = {link["ifname"]: "UP" in link["flags"] for link in json.loads(ip("-n", self.hub, "-j", "link"))}
        ends = {network: end(service.name, network) for network in NETWORKS}
        return {network: links[name] for network, name in ends.items() if name in links}

    def remove(self):
        """Removes all of it; the services are gone already."""
        self.relay.stop()
        for line in ip("netns", "list").splitlines():
            if line.startswith(f"{self.name}-"):
                ip("netns", "delete", line.split()[0])


def end(name, network):
    """The hub's end of a cable; names of links are short."""
    return f"{name}.{network[0]}"


def inside(namespace):
    """What runs a program in a namespace, as the same process."""
    return ["nsenter", f"--net=/run/netns/{namespace}"]


def prepare(namespace):
    """Addresses of loopback, but one, are to be those of cables."""
    settings = [f"net.ipv4.conf.{each}.route_localnet=1" for each in ("all", "default")]
    subprocess.run([*inside(namespace), "sysctl", "--quiet", "--write", *settings], check=True)
    ip("-n", namespace, "link", "set", "lo", "up")
    ip("-n", namespace, "addr", "delete", f"{LOOPBACK}/8", "dev", "lo")
    ip("-n", namespace, "addr", "add", f"{LOOPBACK}/32", "dev", "lo")


def ip(*words):
    """Runs `ip`, and gives what it says."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
