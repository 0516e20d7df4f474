"""Runs somebody's command beside services, and ends as it ended."""

import os
import signal
import subprocess
import sys


def run(command, environment, folder=None):
    """Runs it with these variables besides one's own, and gives its exit code.

    Ctrl-C reaches it from the terminal by itself; SIGTERM and SIGHUP are passed on. Either way the answer
    is its own, and what comes after in the caller is not skipped.
    """
    try:
        process = subprocess.Popen(command, env={**os.environ, **environment}, cwd=folder)
    except OSError as error:
        print(f"{command[0]}: {error.strerror.lower()}", file=sys.stderr)
        return 127
    signal.signal(signal.SIGINT, lambda number, frame: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: process.send_signal(number))
    code = process.wait()
    return 128 - code if code < 0 else code


def interruptible():
    """Lets SIGTERM and SIGHUP end the script as Ctrl-C does, so that it cleans up."""

    def end(number, frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
