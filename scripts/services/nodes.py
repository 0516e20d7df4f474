"""Tailwater's own servers, as nodes of a cluster."""

import http.client
import os
import urllib.error
import urllib.request

from .service import Service

# What a node is told here, whatever the caller's environment says.
OURS = ("LISTEN", "DATA", "DATABASE", "EVENTS", "ARTIFACTS", "CLUSTER_", "TEST_", "SERVER", "API_KEY")
PATIENCE = 60.0


class Node(Service):
    """The service `node-N`; where it is found stands in its folder, in `url`."""

    def set_up(self, inside, program, host, port, flags):
        """Writes the folder; `inside` is what the program is run by. Its settings are the flags, and what the caller has in `TAILWATER_*`."""
        settings = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("TAILWATER_") and not name.removeprefix("TAILWATER_").startswith(OURS)
        }
        command = [*inside, program, "serve", "--listen", f"{host}:{port}", "--data", "data", *flags]
        self.prepare(command, settings, {"url": f"http://127.0.0.1:{port}", "inside": f"{host}:{port}"})

    @property
    def url(self):
        """Where clients find it: the way around the balancer."""
        return (self.folder / "url").read_text()

    def wait(self, page="readyz"):
        """Waits until it takes jobs, or for another page: `healthz` is until it answers at all."""
        self.wait_for(lambda: answers(f"{self.url}/{page}"), PATIENCE, f"does not answer {page}")


def answers(url, well=True):
    """Whether there is a 200; or any answer, if it need not be well."""
    # Loopback is never reached by way of a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return not well
    except (OSError, http.client.HTTPException):
        return False
