"""A worker that draws: waits for jobs of the kind `external`, and does one after the other.

    python3 worker.py           wait for jobs, until it is interrupted
    python3 worker.py --once    end after the first one
"""

import json
import struct
import sys
import time
import urllib.error
import urllib.request
import zlib
from http.client import HTTPException

from tailwater_job import Job, JobEnded, call, request


def work(job, size=256):
    """What the job is about; here, a picture of the Mandelbrot set. Put your model in its place."""
    rows = []
    for y in range(size):
        rows.append(bytes(shade((x / size) * 3 - 2.25, (y / size) * 3 - 1.5) for x in range(size)))
        if y % 16 == 15:
            percent = 95 * (y + 1) // size
            job.push("progress", percent=percent, stage="drawing", message=f"{y + 1} of {size} rows")
    job.push_file(png(rows), "mandelbrot.png", "image")
    return {"size": size}


def waiting_jobs(project="default"):
    """Yields each external job that waits for a worker, the oldest first, as soon as there is one."""
    waiting = f"/api/jobs?kind=external&status=pending&project_id={project}&limit=200"
    while True:
        try:
            # The project's stream says when to look, the list says what there is.
            stream = urllib.request.urlopen(request("GET", f"/api/projects/{project}/stream"), timeout=30)
            for name, data in events(stream):
                is_new = name == "status" and data["data"]["status"] == "pending"
                while (name == "snapshot" or is_new) and (jobs := call("GET", waiting)["jobs"]):
                    yield call("GET", f"/api/jobs/{jobs[-1]['id']}")
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                sys.exit("the server wants a key with submit, read and publish: set TAILWATER_API_KEY")
        except (OSError, HTTPException, ValueError):
            pass  # a restart, a network that broke, or a line that broke off
        except (RuntimeError, JobEnded) as error:
            print(f"cannot look for jobs: {error}", flush=True)
        time.sleep(1)


def events(stream):
    """The events of a text/event-stream: their names, and their data as JSON."""
    name, data = "message", ""
    for line in stream:
        field, _, value = line.decode().rstrip("\r\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif field == "" and data:
            yield name, json.loads(data)
            name, data = "message", ""


def shade(x, y):
    point = constant = complex(x, y)
    for step in range(48):
        if abs(point) > 2:
            return 255 - 5 * step
        point = point * point + constant
    return 0


def png(rows):
    """Rows of grey pixels as a PNG file."""
    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def do(job, settings):
    """Works on a job until its end; says how it ended."""
    try:
        job.push("completed", **work(job, **settings))
        return "is done"
    except JobEnded:
        raise
    except Exception as error:  # the job fails, and its readers are told; the worker goes on
        # By another producer: its numbers hold, whether the last event was taken or not.
        Job(job.id).push("failed", code="worker_failed", message=str(error), retryable=True)
        return f"failed: {error}"


def main():
    print("waiting for jobs", flush=True)
    for waiting in waiting_jobs():
        job = Job(waiting["id"])
        print(f"working on {job.id}", flush=True)
        try:
            print(f"{job.id} {do(job, waiting['input'])}", flush=True)
        except JobEnded as ended:  # somebody canceled it: while it was worked on, or just before it failed
            print(f"{job.id}: {ended}", flush=True)
        if "--once" in sys.argv:
            return


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
