"""One hostile request on a socket of its own, and what came back."""

import re
import socket
import struct
import time
from dataclasses import dataclass, field

# How long the server may take to answer, or to close, in seconds. Held answers are held for less.
PATIENCE = 30
# After how long without an answer the sending side is closed: then there is nothing to wait for.
GRACE = 0.3
# Streams end by themselves (--max-stream-age); of anything else this much is enough, in bytes.
ENOUGH = 1 << 20
# Refusals with 503 that PROTOCOL.md names (section 7).
DOCUMENTED = {b"unavailable", b"overloaded", b"draining"}

HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
CODE = re.compile(rb'"code":"([a-z_]+)"')


@dataclass
class Shot:
    """What is sent: pieces one after the other, then how the connection is left."""

    kind: str
    pieces: list
    # "close": wait for the answer. "half": close the sending side first. "reset": cut, wait for
    # nothing.
    end: str = "close"
    # Between two pieces, in seconds.
    pause: float = 0.0
    # How many answers there may be: the connection is left after them.
    answers: int = 1


@dataclass
class Outcome:
    """What came of it, in a word, and what is wrong with that."""

    word: str
    fault: str = ""
    answer: bytes = field(default=b"", repr=False)


def fire(address, shot):
    """Sends a shot; an answer that never ends, or a fault of the server's, is a fault."""
    try:
        with socket.create_connection(address, timeout=PATIENCE) as stream:
            refused = send(stream, shot)
            if shot.end == "reset":
                # Linger on with no time: a reset instead of a farewell.
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return Outcome("cut by us")
            if shot.end == "half" and not refused:
                half_close(stream)
            return judge(*receive(stream, shot))
    except ConnectionRefusedError:
        return Outcome("refused", "nothing listens any more")
    except ConnectionError:
        return Outcome("closed without an answer")
    except TimeoutError:
        return Outcome("hung", f"no connection within {PATIENCE} s")


def send(stream, shot):
    """Sends the pieces; true when the server stopped listening before the end, as it may."""
    for index, piece in enumerate(shot.pieces):
        if index and shot.pause:
            time.sleep(shot.pause)
        try:
            stream.sendall(piece)
        except ConnectionError:
            return True
    return False


def half_close(stream):
    try:
        stream.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def receive(stream, shot):
    """What the server says, and whether it came to an end of it in time."""
    answer = bytearray()
    is_half = shot.end == "half"
    stream.settimeout(PATIENCE if is_half else GRACE)
    while len(answer) < ENOUGH and not is_whole(answer, shot.answers):
        try:
            part = stream.recv(65536)
        except TimeoutError:
            if is_half:
                return bytes(answer), False
            is_half = True
            half_close(stream)
            stream.settimeout(PATIENCE)
            continue
        except ConnectionError:
            break
        if not part:
            break
        answer += part
    return bytes(answer), True


def is_whole(answer, answers):
    """Whether so many answers are here, the last one to its end."""
    heads = list(HEAD.finditer(answer))
    if len(heads) < answers:
        return False
    last = heads[-1]
    head, separator, body = bytes(answer[last.start() :]).partition(b"\r\n\r\n")
    if not separator:
        return False
    head = head.lower()
    if last[1] in (b"204", b"304"):
        return True
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    if length:
        return len(body) >= int(length[1])
    return b"chunked" in head and body.endswith(b"0\r\n\r\n")


def judge(answer, ended):
    statuses = [int(status) for status in HEAD.findall(answer)]
    if not ended:
        return Outcome("hung", f"still open after {PATIENCE} s", answer)
    if not answer:
        return Outcome("closed without an answer")
    if not answer.startswith(b"HTTP/1."):
        return Outcome("no HTTP", "an answer that is not HTTP", answer)
    for status in statuses:
        if status >= 500 and not is_documented(status, answer):
            return Outcome(str(status), f"status {status}", answer)
    if b"\r\nset-cookie: injected" in answer.lower() or b"\r\nx-injected:" in answer.lower():
        return Outcome("injected", "a header that the request made", answer)
    return Outcome(str(statuses[0]))


def is_documented(status, answer):
    """A 503 of PROTOCOL.md: with its code, and with when to come again."""
    if status != 503:
        return False
    if b'"ready":false' in answer:
        return True
    codes = set(CODE.findall(answer))
    return bool(codes & DOCUMENTED) and b"retry-after:" in answer.lower()
