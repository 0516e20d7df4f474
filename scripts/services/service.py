"""A program in a folder of its own, which any other process finds by that folder."""

import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path


# What the kernel calls a process that is over.
OVER = ("Z", "X")


class Failed(Exception):
    """What went wrong, in words for whoever started the script."""


class Service:
    """One program. In its folder: `start` runs it, `pid` is its process, `log` is what it has said.

    Nothing else is remembered: a second script, or a test in any language, stops it by `pid` and starts
    it again by `start`.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.name = self.folder.name

    def prepare(self, command, environment=None, files=None):
        """Writes `start` and what else stands in the folder; the program runs in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in (files or {}).items():
            (self.folder / name).write_text(text)
        exports = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in (environment or {}).items())
        start = self.folder / "start"
        start.write_text(
            "#!/bin/sh\n"
            f"# Runs {self.name}; its process is the one that this script was.\n"
            f"cd {shlex.quote(str(self.folder))} || exit\n"
            f"{exports}"
            "echo $$ > pid.new && mv pid.new pid\n"
            f"exec {shlex.join(str(word) for word in command)} < /dev/null >> log 2>&1\n"
        )
        start.chmod(0o755)

    def start(self):
        """Starts it, out of reach of a terminal's Ctrl-C; does not wait until it answers."""
        if self.pid() is not None:
            raise Failed(f"{self.name} runs already")
        (self.folder / "pid").unlink(missing_ok=True)
        # What it is told stands in `start`, and does not depend on who starts it.
        environment = {name: text for name, text in os.environ.items() if not name.startswith("TAILWATER_")}
        process = subprocess.Popen([self.folder / "start"], env=environment, start_new_session=True)
        # Whoever asks for it after a kill is not to find a zombie.
        threading.Thread(target=process.wait, daemon=True).start()
        try:
            self.wait_for(lambda: (self.folder / "pid").exists() or process.poll() is not None, 10, "did not start")
        except BaseException:
            # Without its pid nobody would find it.
            process.kill()
            raise

    def pid(self):
        """Its process, or None when it is gone. A stranger that was given its number is not taken for it."""
        try:
            pid = int((self.folder / "pid").read_text())
            if state(pid) in OVER:
                return None
            inside = Path(os.readlink(f"/proc/{pid}/cwd"))
        except (OSError, ValueError):
            return None
        return pid if self.folder == inside or self.folder in inside.parents else None

    @property
    def condition(self):
        """How it is, in a word, and its process."""
        pid = self.pid()
        if pid is None:
            return "gone"
        return f"{'paused' if self.is_paused else 'running'}, {pid}"

    @property
    def is_paused(self):
        """Whether it was stopped by SIGSTOP."""
        pid = self.pid()
        return pid is not None and state(pid) == "T"

    def send(self, number, children=False):
        """Sends it a signal, and on request all of its descendants too; says whether it was there."""
        pid = self.pid()
        if pid is None:
            return False
        for each in [pid, *(descendants(pid) if children else [])]:
            try:
                os.kill(each, number)
            except ProcessLookupError:
                pass
        return True

    def stop(self, number=signal.SIGTERM, patience=10.0):
        """Ends it: by this signal, and by SIGKILL once it has been given its time."""
        if not self.send(number):
            return
        # What is stopped does not hear SIGTERM.
        self.send(signal.SIGCONT, children=True)
        if not until(lambda: self.pid() is None, patience):
            self.send(signal.SIGKILL, children=True)
            until(lambda: self.pid() is None, 10)

    def wait_for(self, ready, patience, otherwise):
        """Waits until `ready()`; fails with the end of the log when it dies or takes too long."""
        pid = self.folder / "pid"
        if not until(lambda: ready() or (pid.exists() and self.pid() is None), patience) or not ready():
            log = self.folder / "log"
            lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
            raise Failed("\n  ".join([f"{self.name} {otherwise}", *lines]))


def until(condition, patience):
    """Whether the condition came true in so many seconds."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def state(pid):
    """The letter by which the kernel names what a process does; `Z` and `X` are over, as is what it has forgotten."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def descendants(pid):
    """The processes below one, nearest first."""
    found, queue = [], [pid]
    while queue:
        parent = queue.pop(0)
        for child in children(parent):
            found.append(child)
            queue.append(child)
    return found


def children(parent):
    """The processes that one has started; of one that ends meanwhile, some or none."""
    found = []
    try:
        for thread in Path(f"/proc/{parent}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    except OSError:
        pass
    return found
