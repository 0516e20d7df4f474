"""nginx in front of the nodes, by the file that users copy."""

import os
import re
from pathlib import Path

from . import packages
from .nodes import answers
from .service import Service

FILE = Path(__file__).resolve().parents[2] / "packaging" / "nginx-cluster.conf"
PATIENCE = 20.0

AROUND = """daemon off;
{user}
worker_processes 2;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include cluster.conf;
}}
"""


class Balancer(Service):
    """The service `nginx`; where it is found stands in its folder, in `url`."""

    def set_up(self, inside, host, port, nodes):
        """Writes the folder; `nodes` are host and port of each, `inside` is what the program is run by."""
        program = packages.find("nginx", "nginx-light")
        # As root it would else go on as somebody who may not write here.
        user = "user root;" if os.geteuid() == 0 else ""
        files = {
            "nginx.conf": AROUND.format(user=user),
            "cluster.conf": ours(f"{host}:{port}", nodes),
            "url": f"http://127.0.0.1:{port}",
            "inside": f"{host}:{port}",
        }
        self.prepare([*inside, program, "-p", f"{self.folder}/", "-c", "nginx.conf", "-e", "stderr"], files=files)

    @property
    def url(self):
        """Where clients find the cluster."""
        return (self.folder / "url").read_text()

    def wait(self):
        """Waits until it answers, be it that there is no node."""
        self.wait_for(lambda: answers(f"{self.url}/healthz", well=False), PATIENCE, "does not answer")


def ours(address, nodes):
    """The users' file with our addresses in it."""
    text = FILE.read_text()
    (options,) = set(re.findall(r"^ *server tailwater-\d:8080 (.*);$", text, re.MULTILINE))
    servers = "".join(f"    server {node} {options};\n" for node in nodes)
    for pattern, ours in [
        (r"(^ *server tailwater-\d:8080 .*;\n)+", servers),
        (r"^ *listen 80;$", f"    listen {address};"),
        (r"/var/log/nginx/access.log", "access.log"),
    ]:
        text, count = re.subn(pattern, ours, text, flags=re.MULTILINE)
        assert count == 1, f"{FILE} has {count} places for {pattern}"
    return text
