"""Tells Tailwater what a job makes. Standard library only; Python 3.9 or newer."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from http.client import HTTPException

SERVER = os.environ.get("TAILWATER_SERVER", "http://127.0.0.1:8080")
KEY = os.environ.get("TAILWATER_API_KEY")  # a server without keys asks for none

# How long the server may be away before a call gives up, in seconds. The job itself is given up by
# the server when it hears nothing for ten minutes (`silence_limit_ms` of the submit).
PATIENCE = 300


class JobEnded(Exception):
    """The job was canceled, or has ended otherwise: stop working on it."""


class Job:
    """A job of the kind `external`, seen by the worker that does it."""

    def __init__(self, job_id, producer=None):
        self.id = job_id
        # Events are numbered, so that one that is sent twice counts once. The numbers are this
        # producer's own: a worker that starts over is another producer.
        self.producer = producer or uuid.uuid4().hex
        self.seq = 0

    def push(self, type, **data):
        """Tells the job's readers that something happened. Returns when it cannot be lost any more."""
        self.seq += 1
        event = {"type": type, "data": data, "producer": self.producer, "producer_seq": self.seq}
        return call("POST", f"/api/jobs/{self.id}/events?durable=true", json.dumps(event).encode())

    def push_file(self, content, name, kind):
        """Stores a picture, sound or film with the job, and tells its readers."""
        upload = call("POST", f"/api/uploads?name={name}", content, "application/octet-stream")
        return self.push("artifact_ready", artifact={"id": upload["id"], "kind": kind})


def call(method, path, body=None, content_type="application/json"):
    """One request, sent again while the server is away or busy; gives the answer's JSON."""
    key = uuid.uuid4().hex  # a submit that is sent again is the same submit; other requests do not mind
    wait, give_up_at = 0.5, time.monotonic() + PATIENCE
    while True:
        sent = request(method, path, body, content_type)
        sent.add_header("idempotency-key", key)
        try:
            with urllib.request.urlopen(sent, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = problem_of(error)
            if problem.get("code") == "job_ended":
                raise JobEnded(problem.get("detail")) from None
            if error.code not in (429, 502, 503, 504) or time.monotonic() > give_up_at:
                raise RuntimeError(f"{method} {path}: {error.code} {problem}") from None
            after = error.headers.get("Retry-After", "")
            wait = max(wait, int(after) if after.isdecimal() else 0)  # a proxy may say a date
        except (OSError, HTTPException):
            if time.monotonic() > give_up_at:
                raise
        time.sleep(wait)
        wait = min(wait * 2, 15)


def problem_of(error):
    """What the server says is wrong; nothing where a proxy has answered for it, in HTML."""
    try:
        problem = json.loads(error.read())
    except (ValueError, OSError, HTTPException):
        return {}
    return problem if isinstance(problem, dict) else {}


def request(method, path, body=None, content_type="application/json"):
    headers = {"content-type": content_type} if body is not None else {}
    if KEY:
        headers["authorization"] = f"Bearer {KEY}"
    return urllib.request.Request(SERVER + path, body, headers, method=method)
