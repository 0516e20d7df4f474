"""A Postgres of one's own. Nothing is synced to disk: a process may die, a machine may not."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from . import packages
from .service import Failed, Service, until

# What is committed is written, though: a process that dies takes nothing with it.
OPTIONS = ["max_connections=300", "fsync=off", "full_page_writes=off"]
# By which Postgres leaves its clients at once, in order.
FAST = signal.SIGINT
PATIENCE = 60.0


class Postgres(Service):
    """The service `postgres`; where it is found stands in its folder, in `url` and `port`."""

    def set_up(self, inside, host, port):
        """Makes an empty database; `inside` is what the program is run by."""
        bin_folder = programs()
        self.folder.mkdir(parents=True)
        initdb = [bin_folder / "initdb", "-D", self.folder / "data", "-A", "trust", "-U", "tailwater", "-E", "UTF8"]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        with open(self.folder / "log", "w") as log:
            done = subprocess.run([*as_other(), *initdb, "--no-sync"], check=False, cwd="/", stdout=log, stderr=log)
        if done.returncode:
            raise Failed("\n  ".join(["initdb:", *(self.folder / "log").read_text().splitlines()]))
        if host != "127.0.0.1":
            # Without this only loopback's one address may come.
            with open(self.folder / "data" / "pg_hba.conf", "a") as file:
                file.write("host all all samenet trust\n")
        settings = [*OPTIONS, f"listen_addresses={host}", "unix_socket_directories="]
        server = [bin_folder / "postgres", "-D", "data", "-p", port, *(f"-c{setting}" for setting in settings)]
        url = f"postgres://tailwater@127.0.0.1:{port}/postgres"
        files = {"url": url, "port": str(port), "inside": f"{host}:{port}"}
        self.prepare([*inside, *as_other(), *server], files=files)

    @property
    def url(self):
        """Where clients find the database."""
        return (self.folder / "url").read_text()

    def start(self):
        """Starts it. What was killed is gone, even where its number still stands among the processes."""
        if self.pid() is None:
            (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        super().start()

    def wait(self):
        """Waits until it takes connections: its own word for it is in the file of its process."""
        self.wait_for(self.is_ready, PATIENCE, "takes no connections")

    def is_ready(self):
        """Whether it takes connections."""
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready" and lines[0] == str(self.pid())

    def kill(self):
        """Ends it and all that belongs to it, at once."""
        self.send(signal.SIGCONT, children=True)
        self.send(signal.SIGKILL, children=True)
        until(lambda: self.pid() is None, 10)


def programs():
    """The folder of the newest version's programs: Debian keeps each in one of its own."""
    found = newest()
    return found or packages.install("postgresql", newest)


def newest():
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    elsewhere = shutil.which("initdb")
    if elsewhere:
        folders.append(Path(elsewhere).parent)
    return max(folders, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))], default=None)


def as_other():
    """It refuses to be run by root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
