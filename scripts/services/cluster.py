"""All of a cluster's services below one folder: nodes, and what they stand on."""

import signal
import time
from pathlib import Path

from .balancer import Balancer
from .nats import Nats
from .networks import LOOPBACK, NATS, NETWORKS, POSTGRES, READERS, Loopback, Namespaces
from .nodes import Node
from .ports import free_ports
from .postgres import FAST, Postgres
from .service import Failed, until


class Cluster:
    """The services as they stand in the folder, whoever started them."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.postgres = Postgres(self.folder / "postgres")
        self.nats = Nats(self.folder)
        self.nodes = [Node(each) for each in sorted(self.folder.glob("node-*"), key=number)]
        self.balancer = Balancer(self.folder / "nginx")
        self.networks = Namespaces(self.folder)

    def set_up(self, options):
        """Writes all folders, in the order in which things are needed."""
        # Postgres runs as somebody else.
        self.folder.chmod(0o755)
        networks = Loopback()
        balancer_inside, balancer_host = [], LOOPBACK
        if options.netns:
            networks = self.networks
            networks.set_up()
            balancer_inside, hosts = networks.join_hub()
            balancer_host = hosts[READERS]
        database, balancer, *ports = free_ports(2 + options.nodes)
        balancer = options.port or balancer
        published = {balancer: balancer_host}
        # The balancer's word about its clients is taken.
        flags = ["--trusted-proxies", "127.0.0.0/8"]
        if not options.apart:
            inside, hosts = networks.join("postgres", [POSTGRES])
            self.postgres.set_up(inside, hosts[POSTGRES], database)
            published[database] = hosts[POSTGRES]
            flags += ["--database", f"postgres://tailwater@{hosts[POSTGRES]}:{database}/postgres"]
            places = [networks.join(f"nats-{index + 1}", [NATS]) for index in range(options.nats)]
            self.nats = Nats.prepare(self.folder, [(inside, hosts[NATS]) for inside, hosts in places])
            for host, port, monitor in self.nats.addresses:
                published |= {int(port): host, int(monitor): host}
            (self.folder / "artifacts").mkdir()
            flags += ["--events", self.nats.urls_inside, "--artifacts", str(self.folder / "artifacts")]
        addresses = []
        for index, port in enumerate(ports):
            node = Node(self.folder / f"node-{index + 1}")
            inside, hosts = networks.join(node.name, [READERS, NATS, POSTGRES])
            node.set_up(inside, options.bin, hosts[READERS], port, flags)
            self.nodes.append(node)
            published[port] = hosts[READERS]
            addresses.append(f"{hosts[READERS]}:{port}")
        self.balancer.set_up(balancer_inside, balancer_host, balancer, addresses)
        networks.publish(published)

    def start(self, nodes=True):
        """Starts all that was set up, and waits until it takes jobs; without `nodes` only the rest."""
        if self.postgres.folder.exists():
            self.postgres.start()
            self.nats.start()
            self.postgres.wait()
        started = self.nodes if nodes else []
        for node in started:
            node.start()
        self.balancer.start()
        for node in started:
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
        if self.is_cuttable:
            self.networks.remove()

    @property
    def is_cuttable(self):
        """Whether the services are on networks of their own."""
        return Path(f"/run/netns/{self.networks.hub}").exists()

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
        if self.is_cuttable:
            known["TAILWATER_CLUSTER_INSIDE"] = " ".join(self.networks.inside_hub())
        return known

    def table(self):
        """A line for each service: where, which process, how it is, and its log."""
        lines = []
        for service in reversed(self.services):
            url = (service.folder / "url").read_text()
            name = service.name.replace("-", " ")
            condition = service.condition
            if self.is_cuttable:
                cut = [network for network, whole in self.networks.cables(service).items() if not whole]
                condition += f", cut off from {', '.join(cut)}" if cut else ""
            lines.append(f"{name:9} {url:46} {condition:16} {service.folder / 'log'}")
        return "\n".join(lines)


def number(folder):
    """The number behind a service's name."""
    return int(folder.name.rpartition("-")[2])


def cut(cluster, words, whole):
    """Cuts a service off from a network, or from all; or, when `whole`, puts its cables in again."""
    if not cluster.is_cuttable:
        raise Failed("this cluster has no networks of its own; scripts/cluster --netns starts one that has")
    network = words[-1] if len(words) > 1 and words[-1] in NETWORKS else None
    service = cluster.find(words[:-1] if network else words)
    cluster.networks.cut(service, network, whole)


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
        until(lambda: service.is_paused, 2)
    elif action == "resume":
        service.send(signal.SIGCONT, children=True)
        until(lambda: not service.is_paused, 2)


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
