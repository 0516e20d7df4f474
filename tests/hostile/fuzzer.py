"""schemathesis against the server's own document: requests that fit it, and that just do not."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from wire import DOCUMENTED

# Streams of projects end only with their age, which is longer than a request may take here; what
# they say to garbage the corpus asks.
LEFT_OUT = ["stream_project"]
# A request of schemathesis's own that fails: its words for what is no answer.
TIMEOUT = 30


def run(venv, server, examples, seconds, seed):
    """Runs it; gives how many requests it made by status, and what it found."""
    with tempfile.TemporaryDirectory(prefix="tailwater-schemathesis-") as folder:
        report = Path(folder) / "events.ndjson"
        command = [
            str(Path(venv) / "bin" / "schemathesis"), "run", url(server, "/openapi.json"),
            f"--header=Authorization: Bearer {server.key}", "--checks=not_a_server_error",
            "--phases=coverage,fuzzing", f"--max-examples={examples}", f"--seed={seed}", "--workers=2",
            "--continue-on-failure", "--no-shrink", "--no-color", "--suppress-health-check=all",
            f"--request-timeout={TIMEOUT}", "--warnings=off", "--report=ndjson",
            f"--report-ndjson-path={report}", *(f"--exclude-operation-id={one}" for one in LEFT_OUT),
        ]  # fmt: skip
        if seconds:
            command.append(f"--max-time={seconds}")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        counts, faults = read(report)
    if not counts:
        sys.exit(f"schemathesis made no request:\n{done.stdout}\n{done.stderr}")
    return counts, faults


def url(server, path):
    host, port = server.address
    return f"http://{host}:{port}{path}"


def read(report):
    """Every answer in the report, by status; and those that are faults of the server's."""
    counts, faults = Counter(), []
    with open(report) as lines:
        for line in lines:
            for case in interactions(json.loads(line)):
                request, answer = case["request"], case.get("response")
                where = f"{request['method']} {request['uri']}"
                if answer is None:
                    counts["closed without an answer"] += 1
                    continue
                status = answer["status_code"]
                counts[str(status)] += 1
                if status >= 500 and not is_documented(answer):
                    faults.append(f"schemathesis: status {status} for {where}")
    return counts, faults


def interactions(value):
    """Everything in an event of the report that has a request and what came of it."""
    if isinstance(value, dict):
        if isinstance(value.get("request"), dict) and "uri" in value["request"]:
            yield value
            return
        for member in value.values():
            yield from interactions(member)
    elif isinstance(value, list):
        for member in value:
            yield from interactions(member)


def is_documented(answer):
    text = json.dumps(answer)
    codes = (code.decode() for code in DOCUMENTED)
    return answer["status_code"] == 503 and any(code in text for code in codes)
