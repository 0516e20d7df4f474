"""All of a cluster's services below one folder: nodes, and what they stand on."""

import signal
import time
from pathlib import Path

from .balancer import Balancer
from .nats import Nats
from .nodes import Node
from .ports import free_ports
from .postgres import FAST, Postgres
from .service import Failed, until

LOOPBACK = "127.0.0.1"


class Cluster:
    """The services as they stand in the folder, whoever started them."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.postgres = Postgres(self.folder / "postgres")
        self.nats = Nats(self.folder)
        self.nodes = [Node(each) for each in sorted(self.folder.glob("node-*"), key=number)]
        self.balancer = Balancer(self.folder / "nginx")

    def set_up(self, options):
        """Writes all folders, in the order in which things are needed."""
        # Postgres runs as somebody else.
        self.folder.chmod(0o755)
        database, balancer, *ports = free_ports(2 + options.nodes)
        flags = []
        if not options.apart:
            self.postgres.set_up(LOOPBACK, database)
            self.nats = Nats.prepare(self.folder, options.nats)
            (self.folder / "artifacts").mkdir()
            flags = ["--database", self.postgres.url, "--events", self.nats.urls]
            flags += ["--artifacts", str(self.folder / "artifacts")]
        # The balancer's word about its clients is taken.
        flags += ["--trusted-proxies", "127.0.0.0/8"]
        for index, port in enumerate(ports):
            node = Node(self.folder / f"node-{index + 1}")
            node.set_up(options.bin, LOOPBACK, port, flags)
            self.nodes.append(node)
        addresses = [f"{LOOPBACK}:{port}" for port in ports]
        self.balancer.set_up(LOOPBACK, options.port or balancer, addresses)

    def start(self):
        """Starts all that was set up, and waits until it takes jobs."""
        if self.postgres.folder.exists():
            self.postgres.start()
            self.nats.start()
            self.postgres.wait()
        for node in self.nodes:
            node.start()
        self.balancer.start()
        for node in self.nodes:
            node.wait()
        self.balancer.wait()

    def stop(self):
        """Ends all: the nodes in order, then what they stood on, which nobody needs any more."""
        nodes = [node for node in self.nodes if node.pid() is not None]
        # Together: each takes its time to send its readers away.
        for node in nodes:
            node.send(signal.SIGCONT, children=True)
            node.send(signal.SIGTERM)
        for node in nodes:
            node.stop(patience=20)
        self.balancer.stop()
        self.nats.stop()
        self.postgres.kill()

    @property
    def services(self):
        """All there are, those first that others stand on."""
        every = [self.postgres, *self.nats.servers, *self.nodes, self.balancer]
        return [service for service in every if service.folder.exists()]

    def find(self, words):
        """A service by what people call it: `node 2`, `nats 1`, `postgres`, `nginx`."""
        name = "-".join(words)
        for service in self.services:
            if service.name == name:
                return service
        names = ", ".join(service.name.replace("-", " ") for service in self.services)
        raise Failed(f"there is no '{' '.join(words)}' in {self.folder}, but {names}")

    @property
    def environment(self):
        """What a command beside the cluster is told of it."""
        known = {
            "TAILWATER_CLUSTER_URL": self.balancer.url,
            "TAILWATER_CLUSTER_NODES": ",".join(node.url for node in self.nodes),
            "TAILWATER_CLUSTER_DIR": str(self.folder),
        }
        if self.postgres.folder.exists():
            known["TAILWATER_TEST_DATABASE"] = self.postgres.url
            known["TAILWATER_TEST_EVENTS"] = self.nats.urls
            known["TAILWATER_TEST_NATS_DIR"] = str(self.folder)
        return known

    def table(self):
        """A line for each service: where, which process, how it is, and its log."""
        lines = []
        for service in reversed(self.services):
            url = (service.folder / "url").read_text()
            name = service.name.replace("-", " ")
            lines.append(f"{name:9} {url:46} {service.condition:16} {service.folder / 'log'}")
        return "\n".join(lines)


def number(folder):
    """The number behind a service's name."""
    return int(folder.name.rpartition("-")[2])


def act(cluster, action, service):
    """Does one thing to one service, and waits until it is done."""
    here = service.pid() is not None
    if action == "start":
        start(cluster, service)
    elif not here and action != "restart":
        raise Failed(f"{service.name} does not run")
    elif action == "kill":
        # With SIGKILL, as a machine that falls over. Postgres and nginx with those below them.
        service.send(signal.SIGKILL, children=True)
        until(lambda: service.pid() is None, 10)
    elif action in ("stop", "restart"):
        service.stop(FAST if service is cluster.postgres else signal.SIGTERM, patience=60)
        if action == "restart":
            start(cluster, service)
    elif action == "pause":
        service.send(signal.SIGSTOP, children=True)
    elif action == "resume":
        service.send(signal.SIGCONT, children=True)


def start(cluster, service):
    """Starts one service, and waits until it answers; not until it is well: others may be away."""
    service.start()
    if service in cluster.nats.servers:
        service.wait_for(lambda: cluster.nats.answers(service), 60, "does not answer")
    elif service in cluster.nodes:
        service.wait("healthz")
    else:
        service.wait()


def watch(cluster, say):
    """Says, for ever, which service has gone and which has come."""
    known = {service.name: service.condition for service in cluster.services}
    while True:
        time.sleep(0.3)
        for service in cluster.services:
            now = service.condition
            if now != known[service.name]:
                say(f"{time.strftime('%H:%M:%S')} {service.name.replace('-', ' ')} is {now}")
                known[service.name] = now
