"""schemathesis against the server's own document: requests that fit it, and that just do not."""

import base64
import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from wire import DOCUMENTED

# It reads the list of keys and revokes the one that it came with; the corpus revokes garbage. The operator's
# streams never end.
LEFT_OUT = ["revoke_key", "stream_figures", "stream_story"]
# How long one request may take, in seconds; the longest that the server holds an answer is 25.
TIMEOUT = 30


def run(venv, server, seed, seconds=None):
    """Goes through every operation once, or at random for so long.

    Gives how many requests that made, by status, and what is wrong.
    """
    with tempfile.TemporaryDirectory(prefix="tailwater-schemathesis-") as folder:
        report = Path(folder) / "events.ndjson"
        command = [
            str(Path(venv) / "bin" / "schemathesis"), "run", url(server, "/openapi.json"),
            f"--header=Authorization: Bearer {server.key}", "--checks=not_a_server_error",
            f"--seed={seed}", "--workers=2",
            "--continue-on-failure", "--no-shrink", "--no-color", "--suppress-health-check=all",
            f"--request-timeout={TIMEOUT}", "--warnings=off", "--report=ndjson",
            f"--report-ndjson-path={report}",
            *(f"--exclude-operation-id={one}" for one in LEFT_OUT),
        ]  # fmt: skip
        if seconds is None:
            command.append("--phases=coverage")
        else:
            command += ["--phases=fuzzing", f"--max-time={seconds}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        counts, faults = read(report)
    if not counts:
        faults.append(f"schemathesis made no request: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return counts, faults


def url(server, path):
    host, port = server.address
    return f"http://{host}:{port}{path}"


def read(report):
    """Every answer in the report, by status; and those that are faults of the server's."""
    counts, faults = Counter(), []
    if not report.exists():
        return counts, faults
    with open(report) as lines:
        for line in lines:
            scenario = json.loads(line).get("ScenarioFinished", {})
            for case in scenario.get("recorder", {}).get("interactions", {}).values():
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


def is_documented(answer):
    """A 503 of PROTOCOL.md: with its code, and with when to come again."""
    content = base64.b64decode((answer.get("content") or {}).get("$base64", ""))
    headers = {name.lower() for name in answer["headers"]}
    is_named = any(b'"code":"' + code + b'"' in content for code in DOCUMENTED)
    return answer["status_code"] == 503 and is_named and "retry-after" in headers
