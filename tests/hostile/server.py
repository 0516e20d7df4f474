"""The server under fire: started, keyed, watched, stopped."""

import atexit
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

# A line of the log that must not be there.
PANIC = re.compile(r"panicked at|panic|a handler failed|stack overflow|memory allocation of")

# Finished jobs leave memory at once and streams end soon, so that what is left is what leaks.
FLAGS = (
    "--simulator-speed=1000 --workers=2 --retention-memory=0s --max-stream-age=1s --lipsync-wait=1s"
    " --memory-limit=64M --journal-limit=16M --start-jitter=0s --upload-limit=1M"
    " --producer-silence=60s --job-time-limit=60s --demo-credits=1000000"
).split()


class Server:
    """One server process on a free port of loopback, with a data folder of its own."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="tailwater-hostile-")
        data = Path(self.folder.name)
        ours = ("TAILWATER_", "OPENAI_", "REPLICATE_", "FAL_", "RUNWAYML_", "MINIMAX_", "BFL_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        self.log_path = data / "log"
        self.log = open(self.log_path, "w")
        command = [program, "serve", "--listen=127.0.0.1:0", f"--data={data / 'data'}", *FLAGS]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment
        )
        atexit.register(self.process.kill)
        line = self.process.stdout.readline().strip()
        if not line.startswith("listening on http://"):
            raise SystemExit(f"the server does not start: {line}\n{self.log_path.read_text()}")
        host, port = line.removeprefix("listening on http://").rsplit(":", 1)
        self.address = (host, int(port))
        self.key = self.ask("POST", "/api/keys", {"scopes": ["admin"]})["key"]
        self.jobs = []

    def ask(self, method, path, body=None, headers=None, data=None):
        """A request that is meant well; its answer as JSON."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        headers = {"content-type": "application/json", **(headers or {})}
        if getattr(self, "key", None):
            headers["authorization"] = f"Bearer {self.key}"
        payload = data if data is not None else (None if body is None else json.dumps(body))
        connection.request(method, path, payload, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:400]!r}")
        return json.loads(text)

    def external(self):
        return self.ask("POST", "/api/jobs", {"kind": "external"})["job_id"]

    def upload(self):
        gif = b"GIF89a\x40\x01\xf0\x00\x00\x00\x00;"
        headers = {"content-type": "image/gif"}
        return self.ask("POST", "/api/uploads?name=a.gif", headers=headers, data=gif)["id"]

    def memory(self):
        """Resident memory in KiB, as Linux counts it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def lives(self):
        return self.process.poll() is None

    def settle(self, seconds):
        """Waits until no job runs, nor the next one, at most so long."""
        until, quiet = time.monotonic() + seconds, 0
        while quiet < 6 and time.monotonic() < until and self.lives():
            quiet = quiet + 1 if self.ask("GET", "/readyz")["running_jobs"] == 0 else 0
            time.sleep(0.5)

    def panics(self):
        self.log.flush()
        with open(self.log_path, errors="replace") as log:
            return [line.strip() for line in log if PANIC.search(line)]

    def last_words(self):
        self.log.flush()
        return self.log_path.read_text(errors="replace")[-2000:]

    def stop(self):
        """Asks the server to end; its exit code."""
        if self.lives():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "nothing: it did not end within 30 s"
        self.log.close()
        return code
