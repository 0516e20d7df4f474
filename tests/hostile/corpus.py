"""Hostile requests: what is broken on the wire, and what is well-formed and means harm.

Each function makes one kind of shot from a random source; `KINDS` has them with how often each is
taken. Targets are what the server has at the moment: a job, an upload, a key.
"""

import json

from payloads import garbage_text, json_text, ndjson_text, raw_bytes
from wire import Shot

POSTS = [
    "/api/jobs", "/api/chat", "/api/keys", "/api/tickets", "/api/session", "/api/credits/grant",
    "/api/images/generate", "/api/canvas/generate-video", "/api/runway/video", "/api/minimax/video",
    "/api/runway/character-performance", "/api/generate-lipsync", "/api/replicate/kling-i2v/submit",
    "/api/fal/sora2/image-to-video/submit", "/api/chat/x/stop",
]  # fmt: skip
GETS = [
    "/", "/healthz", "/readyz", "/openapi.json", "/static/studio.js", "/api/info", "/api/jobs",
    "/api/models", "/api/models/kling-i2v", "/api/credits", "/api/credits/ledger", "/api/keys",
    "/api/session", "/api/project/default", "/api/projects/default/stream", "/api/stream",
    "/api/check-lipsync", "/api/minimax/video/status", "/api/runway/status/x", "/api/chat/x/stream",
]  # fmt: skip


class Corpus:
    """Makes shots at one server."""

    def __init__(self, random, targets):
        self.random = random
        self.targets = targets
        self.makers = [maker for maker, weight in KINDS for _ in range(weight)]

    def next(self):
        maker = self.random.choice(self.makers)
        shot = maker(self)
        return shot

    # Parts that are in order, so that what is hostile is one thing.

    def path(self):
        t = self.targets
        own = [
            f"/api/jobs/{t.job}", f"/api/jobs/{t.job}/events", f"/api/jobs/{t.job}/stream",
            f"/api/uploads/{t.upload}", f"/api/uploads/{t.upload}/content",
            f"/api/stream?job={t.job}", f"/api/check-lipsync?prediction_id={t.job}",
        ]  # fmt: skip
        return self.random.choice(GETS + own)

    def head(self, method, path, *lines, key=True, close=True):
        own = [f"{method} {path} HTTP/1.1".encode("utf-8", "surrogatepass"), b"host: 127.0.0.1"]
        if key:
            own.append(f"authorization: Bearer {self.targets.key}".encode())
        if close:
            own.append(b"connection: close")
        lines = [line if isinstance(line, bytes) else line.encode() for line in lines]
        return b"\r\n".join(own + lines) + b"\r\n\r\n"

    def post(self, path, body, *lines, media="application/json", method="POST"):
        length = f"content-length: {len(body)}"
        media = [f"content-type: {media}"] if media else []
        return self.head(method, path, length, *media, *lines) + body


def request_line(c):
    r = c.random
    method = r.choice([b"GET", b"get", b"", b"G\x00T", b"\xff\xfe", b"A" * 5000, b"PRI", b"TRACE",
                       b"CONNECT", b"OPTIONS", b"PATCH", b"M-SEARCH", raw_bytes(r, 8)])  # fmt: skip
    target = r.choice([b"/", b"*", b"", b"//", b"/../../etc/passwd", b"/%00", b"/%2e%2e/%2e%2e/",
                       b"/api/jobs/%ff%fe", b"http://evil.example/", b"evil.example:80",
                       b"/" + b"a" * r.choice([2000, 9000, 70000]), b"/a b", b"/\xc3\x28", b"/%",
                       b"/%zz", b"/#x", b"/?" + b"a=b&" * 2000, b"/;/\\..\\", b"/static/..%2f..%2fx",
                       b"/api/jobs/" + raw_bytes(r, 20), b"/api//jobs", b"/api/jobs/"])  # fmt: skip
    version = r.choice([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2",
                                            b"HTTP/", b"", b"HTTP/1.1 x", b"http/1.1"])  # fmt: skip
    return Shot("request line", [method + b" " + target + b" " + version + b"\r\nhost: x\r\n\r\n"])


def headers(c):
    r = c.random
    hostile = r.choice([
        [b"x: " + b"a" * r.choice([8000, 66000, 600000])], [b"x%d: y" % n for n in range(r.choice([90, 300]))],
        [b"x: a\x00b"], [b"x: a\rb"], [b"x: a\n b"], [b" folded: y"], [b"x: y", b" z"], [b"no colon"],
        [b"x : y"], [b": y"], [b"host: a", b"host: b"], [b"host: " + raw_bytes(r, 30)], [raw_bytes(r, 40)],
        [b"x\xe9: y"], [b"expect: 100-continue"], [b"expect: " + b"x" * 100], [b"upgrade: h2c", b"http2-settings: AAMA"],
        [b"connection: upgrade, close, keep-alive", b"upgrade: websocket"], [b"te: trailers, " * 50],
        [b"x-forwarded-for: " + b"1.1.1.1, " * 500], [b"x-forwarded-host: evil", b"x-original-url: /api/keys"],
        [b"x-http-method-override: DELETE"], [b"content-length: 5"], [b"accept-encoding: " + b"gzip, " * 900],
        [b"origin: null"], [b"origin: " + raw_bytes(r, 20), b"sec-fetch-site: cross-site"],
    ])  # fmt: skip
    return Shot("headers", [c.head("GET", c.path(), *hostile)])


def framing(c):
    """Bodies whose length is told twice, wrongly or not at all (RFC 9112, section 6)."""
    r = c.random
    smuggled = b"GET /api/keys HTTP/1.1\r\nhost: x\r\n\r\n"
    told = r.choice([
        [b"content-length: 6", b"transfer-encoding: chunked"], [b"transfer-encoding: chunked", b"content-length: 0"],
        [b"content-length: 5", b"content-length: 6"], [b"content-length: 5, 5"], [b"content-length: -1"],
        [b"content-length: +5"], [b"content-length: 0x5"], [b"content-length: 99999999999999999999"],
        [b"content-length: 18446744073709551615"], [b"content-length: 1e3"], [b"content-length: "],
        [b"transfer-encoding: xchunked"], [b"transfer-encoding: chunked, identity"], [b"transfer-encoding: identity"],
        [b"transfer-encoding: chunked", b"transfer-encoding: chunked"], [b"transfer-encoding:\r\n chunked"],
        [b"transfer-encoding : chunked"], [b"transfer-encoding: \x0bchunked"], [b"transfer-encoding: gzip, chunked"],
        [b"Transfer-Encoding: CHUNKED", b"content-length: 3"], [b"x: y\r\ntransfer-encoding: chunked\nz: 1"],
    ])  # fmt: skip
    body = r.choice([b"0\r\n\r\n" + smuggled, b"{}", b"5\r\nhello\r\n0\r\n\r\n", smuggled, b""])
    head = c.head("POST", r.choice(POSTS), b"content-type: application/json", *told, close=False)
    return Shot("framing", [head + body], end="half")


def chunks(c):
    r = c.random
    body = r.choice([
        b"-1\r\n", b"ffffffffffffffff\r\nx", b"fffffffffffffffff\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n",
        b"5;" + b"a" * 20000 + b"\r\nhello\r\n0\r\n\r\n", b"5\r\nhel", b"\r\n\r\n", b"5\nhello\n0\n\n", b" 5\r\nhello\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\ncontent-length: 5\r\nauthorization: x\r\n\r\n", b"2\r\n{}\r\n0\r\n" + b"x: y\r\n" * 3000 + b"\r\n",
        b"1\r\n{\r\n" * 500 + b"0\r\n\r\n", b"g\r\nhello\r\n", raw_bytes(r, 60), b"2\r\n{}\r\n0\r\nbad trailer\r\n\r\n",
    ])  # fmt: skip
    path = r.choice(POSTS + [f"/api/jobs/{c.targets.job}/events", "/api/uploads"])
    head = c.head("POST", path, b"transfer-encoding: chunked", b"content-type: application/json")
    return Shot("chunks", [head, body], end="half", pause=r.choice([0, 0, 0.01]))


def json_bodies(c):
    body = json_text(c.random)
    extra = c.random.choice([[], [], ["idempotency-key: " + garbage_text(c.random, 40, header=True)]])
    return Shot("json", [c.post(c.random.choice(POSTS), body, *extra)])


def fields(c):
    """JSON in order, at the route that reads it, with values that are not."""
    r = c.random
    text = garbage_text(r, r.choice([10, 200, 4000]))
    number = r.choice([-1, 0, 10**15, 10**18, 2**63, 2**64, 1e308, 0.1, -(2**63)])
    odd = r.choice([text, number, None, True, [], {}, [text], {text[:50]: number}])
    path, body = r.choice([
        ("/api/jobs", {"kind": "blog", "input": {"topic": text[:2000], "words": 50}}),
        ("/api/jobs", {"kind": "blog", "input": {"topic": "x", "words": odd, "tone": text[:80]}}),
        ("/api/jobs", {"kind": "voiceover", "input": {"text": text[:100]}}),
        ("/api/jobs", {"kind": "external", "input": {text[:60]: odd}}),
        ("/api/jobs", {"kind": odd, "input": odd}),
        ("/api/jobs", {"kind": "external", "project_id": odd, "priority": odd, "retry_of": odd}),
        ("/api/jobs", {"kind": "video", "model": odd, "input": {"prompt": text}}),
        ("/api/jobs", {"kind": "chat", "input": {"messages": odd}}),
        ("/api/jobs", {"kind": "image", "model": "bfl/flux-2-klein-4b", "input": {"prompt": text[:500], "seed": odd}}),
        ("/api/chat", {"id": "talk", "messages": [{"role": "user", "content": text[:500]}]}),
        ("/api/chat", {"id": text[:50], "messages": odd, "trigger": odd, "kind": odd}),
        ("/api/keys", {"scopes": ["read"], "name": odd, "expires_in_days": odd}), ("/api/keys", {"scopes": odd}),
        ("/api/tickets", {"job_id": odd}), ("/api/tickets", {"project_id": odd}), ("/api/session", {"key": odd}),
        ("/api/credits/grant", {"amount": odd, "note": odd, "project_id": odd}),
        ("/api/images/generate", {"model": odd, "prompt": odd, "mode": odd}),
        ("/api/generate-lipsync", {"imageUrl": odd, "audioUrl": odd, "pollForCompletion": odd}),
        ("/api/replicate/kling-i2v/submit", {"prompt": text[:500], "image": "data:image/png;base64," + text}),
        (f"/api/jobs/{c.targets.job}/cancel?x", {"reason": odd}), ("/api/chat/talk/stop", {"x": odd}),
    ])  # fmt: skip
    if r.random() < 0.2:
        path = r.choice(POSTS)
    text = json.dumps(body, ensure_ascii=r.random() < 0.5).encode("utf-8", "surrogatepass")
    return Shot("fields", [c.post(path, text)])


def media_types(c):
    r = c.random
    media = r.choice(["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data", "application/json;" * 300,
                      "application/json; charset=utf-16", "a/b/c", "*/*", "image/svg+xml", "application/\"", "text/html",
                      "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 3000])  # fmt: skip
    path = r.choice(POSTS + ["/api/uploads", f"/api/jobs/{c.targets.job}/events"])
    return Shot("media types", [c.post(path, json_text(r), media=media)])


def pushes(c):
    r = c.random
    body = ndjson_text(r)
    media = r.choice(["application/x-ndjson", "application/json", "text/plain", None])
    query = r.choice(["", "?durable=true", "?durable=maybe", "?durable=true&durable=false", "?x"])
    path = f"/api/jobs/{c.targets.job}/events{query}"
    if r.random() < 0.2:
        half = len(body) // 2
        head = c.head("POST", path, f"content-length: {len(body)}", close=False)
        return Shot("pushes", [head + body[:half], body[half:]], pause=0.02)
    return Shot("pushes", [c.post(path, body, media=media)])


def ranges(c):
    r = c.random
    value = r.choice(["bytes=-", "bytes=0-", "bytes=5-2", "bytes=-0", "bytes=-99999999999999999999", "bytes=0-0,2-3,4-5",
                      "bytes=" + "0-1," * 2000, "bytes=18446744073709551615-", "items=0-1", "bytes", "bytes=a-b", "bytes=0x0-1",
                      "bytes=--1", "bytes= 0 - 1", "bytes=9-", "BYTES=0-1"])  # fmt: skip
    more = r.choice([[], ["if-range: \"x\""], ["if-range: Wed, 99 Foo 0000"], ["if-none-match: " + "\"a\"," * 500],
                     ["if-none-match: W/"], ["if-none-match: *"], ["if-match: \"x\""]])  # fmt: skip
    path = r.choice([f"/api/uploads/{c.targets.upload}/content?download={r.choice(['1', '', 'x'])}", c.path()])
    return Shot("ranges", [c.head(r.choice(["GET", "HEAD"]), path, "range: " + value, *more)], end="close")


def credentials(c):
    r = c.random
    garbage = garbage_text(r, 80, header=True)
    line = r.choice(["authorization: " + garbage, "authorization: Bearer", "authorization: Bearer tw_" + "a" * r.choice([5, 43, 9000]),
                     "authorization: Basic " + garbage, "authorization: Bearer tkt_" + garbage, "cookie: " + "a=b; " * 900,
                     "cookie: tailwater_session=" + garbage, "cookie: __Host-tailwater_session=;;=;", "cookie: =", "cookie: " + garbage,
                     "authorization: bearer\ttw_x", "authorization: Bearer " + c.targets.key[:-1],
                     "authorization: Bearer " + c.targets.key + "\r\nauthorization: Bearer x"])  # fmt: skip
    ticket = r.choice(["", "?ticket=", "?ticket=tkt_x", "?ticket=" + "a" * 3000, "?ticket=tkt_v1.AAAA.BBBB", "?ticket=%00%ff"])
    path = c.path().split("?")[0] + ticket
    path = r.choice([path, path, "/api/keys/" + r.choice(["key_x", "%00", "..", "key_" + "a" * 64])])
    method = r.choice(["GET", "GET", "POST", "DELETE"])
    if method != "GET":
        line += "\r\ncontent-length: 0"
    return Shot("credentials", [c.head(method, path, line, key=False)])


def injections(c):
    r = c.random
    crlf = r.choice(["%0d%0ax-injected:%201", "%0d%0aset-cookie:%20injected=1", "%E5%98%8A%E5%98%8Dx-injected:1", "%0a%0ax-injected: 1".replace(" ", "%20")])
    path = r.choice([f"/api/jobs/{crlf}", f"/api/projects/{crlf}/stream", f"/api/uploads?name={crlf}.gif", f"/static/{crlf}",
                     f"/api/models/{crlf}", f"/api/check-lipsync?prediction_id={crlf}", f"/api/jobs?before={crlf}",
                     f"/api/file/{crlf}", f"/api/replicate/{crlf}/submit", f"/{crlf}", f"/api/runway/status/{crlf}"])  # fmt: skip
    if "uploads" in path or "submit" in path:
        gif = b"GIF89a\x40\x01\xf0\x00\x00\x00\x00;"
        return Shot("injections", [c.post(path, gif, media="image/gif")])
    return Shot("injections", [c.head("GET", path)])


def queries(c):
    r = c.random
    value = r.choice(["-1", "99999999999999999999", "0x1", "%00", "%ff", "1.5", "", "null", "NaN", "1" * 500, "%F0%9F%A6%80",
                      "4294967297", "9007199254740993", "'; drop table job; --", "\"", "*", "job_x@", "job_x@-1"]).replace(" ", "+")  # fmt: skip
    name = r.choice(["after", "limit", "wait", "include", "job", "before", "status", "kind", "keepalive", "project_id", "mode",
                     "provider", "durable", "task_id", "prediction_id", "ticket", "%00", ""])  # fmt: skip
    query = "&".join(f"{name}={value}" for _ in range(r.choice([1, 1, 1, 2, 120])))
    path = c.path().split("?")[0]
    return Shot("queries", [c.head("GET", f"{path}?{query}", "last-event-id: " + r.choice(["", "x", "-1", "1" * 99, value]))])


def forms(c):
    """Uploads: forms that are broken, and files that are not what they say."""
    r = c.random
    b = b"--x\r\n"
    part = b'content-disposition: form-data; name="file"; filename="a.gif"\r\ncontent-type: image/gif\r\n\r\n'
    body = r.choice([
        b"", b, b + part, b + part + b"GIF89a", b + part + b"GIF89a\r\n--x--", b"--x--\r\n", b + b"\r\n\r\n--x--", b + b"x" * 70000,
        b * 5000, b + b"content-disposition: form-data; name=\"" + raw_bytes(r, 40) + b"\"\r\n\r\nx\r\n--x--",
        b + b'content-disposition: form-data; name="file"; filename="../../etc/\r\nx-injected: 1"\r\n\r\nGIF89a\r\n--x--',
        b + b'content-disposition: form-data; name="project_id"\r\n\r\n' + b"a" * 5000 + b"\r\n--x--", raw_bytes(r, 300),
        b + part + b"GIF89a" + raw_bytes(r, 200) + b"\r\n--x--\r\n", (b + part + b"GIF89a\x40\x01\xf0\x00\x00\x00\x00;\r\n") * 40 + b"--x--",
    ])  # fmt: skip
    if r.random() < 0.5:
        return Shot("forms", [c.post("/api/uploads", body, media="multipart/form-data; boundary=x")])
    magic = r.choice([b"GIF89a", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff\xd8\xff\xe0", b"OggS", b"fLaC",
                      b"\x00\x00\x00\x18ftypmp42", b"\x00\x00\x00\x01ftypisom\xff\xff\xff\xff\xff\xff\xff\xff", b"RIFF\xff\xff\xff\xffWAVEfmt ",
                      b"RIFF\x00\x00\x00\x00WEBPVP8X", b"\x1a\x45\xdf\xa3\xff\xff", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", b"\xff\xfb"])  # fmt: skip
    media = r.choice(["image/gif", "video/mp4", "audio/wav", "application/octet-stream", "image/" + "x" * 500])
    return Shot("forms", [c.post("/api/uploads?name=" + r.choice(["a", "%2e%2e%2f", "%00", "a" * 500]), magic + raw_bytes(r, 400), media=media)])


def other_protocols(c):
    r = c.random
    return Shot("other protocols", [r.choice([
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + raw_bytes(r, 60),
        b"SSH-2.0-x\r\n", b"EHLO x\r\n", b"\x00" * 200, raw_bytes(r, 200), b"\r\n" * 100, b"\x05\x01\x00", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n", b"*1\r\n$4\r\nPING\r\n", b"",
    ])], end="half")  # fmt: skip


def cut(c):
    """Requests that stop half-way: closed, reset, or a byte at a time and then gone."""
    r = c.random
    whole = r.choice([c.head("GET", c.path()), c.post(r.choice(POSTS), json_text(r)), c.post("/api/uploads", b"GIF89a" + raw_bytes(r, 90), media="image/gif"),
                      c.post(f"/api/jobs/{c.targets.job}/events", ndjson_text(r), media="application/x-ndjson")])  # fmt: skip
    at = r.randrange(len(whole))
    end = r.choice(["half", "reset", "reset"])
    if r.random() < 0.1:
        head = whole[: min(at, 12)]
        return Shot("cut", [head[i : i + 1] for i in range(len(head))], end=end, pause=0.01)
    return Shot("cut", [whole[:at]], end=end)


def left(c):
    """Streams and held answers whose reader goes away without a word."""
    r = c.random
    path = r.choice([f"/api/jobs/{c.targets.job}/stream", f"/api/stream?job={c.targets.job}", "/api/projects/default/stream?include=content",
                     f"/api/jobs/{c.targets.job}/events?wait=25&after=99999999999", f"/api/uploads/{c.targets.upload}/content"])  # fmt: skip
    return Shot("left", [c.head("GET", path), b""], end="reset", pause=r.choice([0, 0.005, 0.02]))


def pipelines(c):
    r = c.random
    count = r.choice([2, 5, 40])
    good = c.head("GET", r.choice(["/healthz", "/api/info", "/api/session"]), close=False)
    bad = r.choice([b"\x00\x01\x02\r\n\r\n", c.post("/api/jobs", json_text(r)), c.head("BREW", "/pot"), b"GET / HTTP/9.9\r\n\r\n"])
    return Shot("pipelines", [good * count + bad], answers=count + 1)


def callbacks(c):
    r = c.random
    provider = r.choice(["replicate", "fal", "runway", "minimax", "bfl", "x", "%00", ".."])
    path = f"/api/webhooks/{provider}/{r.choice([c.targets.job, 'job_x', '%ff'])}/{r.choice(['1', '-1', '1' * 40])}/{r.choice(['x', '%00', 'a' * 500])}"
    signed = ["webhook-id: " + "x" * 200, "webhook-timestamp: 99999999999999999999", "webhook-signature: v1," + "A" * 90]
    return Shot("callbacks", [c.post(path, json_text(r), *signed)])


KINDS = [
    (request_line, 8), (headers, 8), (framing, 8), (chunks, 6), (json_bodies, 10), (fields, 14), (media_types, 4), (pushes, 10),
    (ranges, 5), (credentials, 6), (injections, 4), (queries, 8), (forms, 6), (other_protocols, 3), (cut, 6), (left, 4),
    (pipelines, 2), (callbacks, 3),
]  # fmt: skip
