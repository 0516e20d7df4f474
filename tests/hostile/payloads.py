"""Texts and bytes that break parsers."""

import json


def raw_bytes(random, most):
    return random.randbytes(random.randrange(1, most))


def garbage_text(random, most, header=False):
    """A text of characters that somebody somewhere handles wrongly; for a header those that fit."""
    odd = "aZ09 _-.,;:'\"<>&%/\\{}[]()=+*?#@!|~`^$" if header else (
        "aZ09 \n\r\t\x00\x1b\x7f\u0085\u2028\u202e\ufeff\ufffd\u0301\U0001f980\U0010ffff'\"<>&%/\\{}[]é漢"
    )
    return "".join(random.choice(odd) for _ in range(random.randrange(1, most)))


def json_text(random):
    """JSON that is none, or that no sane client sends."""
    r = random
    depth = r.choice([100, 126, 127, 128, 5000, 100000])
    digits = "9" * r.choice([20, 400, 5000])
    return r.choice([
        b"", b" ", b"null", b"0", b"[]", b'""', b"{", b"}", b"{}x", b"[" * depth, b"[" * depth + b"]" * depth,
        b'{"a":' * depth + b"1" + b"}" * depth, b'{"kind":"blog","kind":"external"}', b'{"kind":"external","input":{"a":1,"a":2}}',
        b'{"kind":"external","priority":' + digits.encode() + b"}", b'{"kind":"external","priority":1e' + digits.encode() + b"}",
        b'{"kind":"external","input":{"n":-0,"m":1e-999999,"k":1E400}}', b'{"kind":"blog","input":{"topic":"\\ud800"}}',
        b'{"kind":"blog","input":{"topic":"\\udc00\\ud800"}}', b'{"kind":"blog","input":{"topic":"\xed\xa0\x80"}}',
        b'{"kind":"blog","input":{"topic":"\xff\xfe"}}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"{'kind':'blog'}", b"{kind:1}",
        b'{"kind":NaN}', b'{"kind":Infinity}', b'{"kind":"blog",}', b'{"kind":"blog"}{"kind":"blog"}', b'{"kind":"bl\nog"}', b'"\\x41"',
        b'{"kind":"external","input":{' + b",".join(b'"k%d":%d' % (n, n) for n in range(3000)) + b"}}", b'{"":{"":{"":""}}}',
        b'{"__proto__":{"x":1},"constructor":1}', b'{"kind":"external","input":{"a":"' + b"x" * 1_100_000 + b'"}}',
        b'{"kind":"external","input":[' + b"0," * 20000 + b"0]}", raw_bytes(r, 200), garbage_text(r, 100).encode("utf-8", "replace"),
        b"/* comment */ {}", b"+1", b"01", b"1.", b".5", b"-", b"tru", b'{"kind":"external"\x00}', b"\x00",
    ])  # fmt: skip


def line(random):
    r = random
    kind = r.choice(["note", "progress", "content", "log", "hello", "bye", "status", "error", "", "a b", "x" * 64, "x" * 65, "é", "1", "a\nb"])
    text = garbage_text(r, 60)
    data = r.choice([{}, None, [], "x", {"text": text}, {"percent": r.choice([-1, 101, 50, 1e9, "x"])}, {"line": text, "level": text},
                     {"index": -1, "offset": 2**70, "text": 5}, {text: text}, 2**80, {"artifact": {"id": "upl_x"}}])  # fmt: skip
    event = {"type": kind, "data": data}
    if r.random() < 0.2:
        event["producer_seq"] = r.choice([0, -1, 1, 2, 2**64, 1.5, "1", None, 10**30])
        event["producer"] = r.choice(["a", "", "x" * 500, text, 5])
    return json.dumps(event, ensure_ascii=r.random() < 0.5).encode("utf-8", "surrogatepass")


def ndjson_text(random):
    r = random
    good = b'{"type":"note","data":{"n":1}}\n'
    return r.choice([
        lambda: good * r.choice([1, 50, 400]), lambda: b"\n".join(line(r) for _ in range(r.choice([1, 5, 30]))), lambda: good + line(r) + b"\n" + good,
        lambda: b"\r" * 50, lambda: b"\n" * 5000, lambda: b"\x00\n" + good, lambda: good[:-1] * 3, lambda: b'{"type":"note","data":' + b"[" * 70 + b"]" * 70 + b"}\n",
        lambda: b'{"type":"note","data":"' + b"x" * 300_000 + b'"}\n', lambda: b"x" * 300_000, lambda: good + b'{"type":"note"', lambda: json_text(r),
        lambda: b'{"type":"note","type":"log","data":1}\n', lambda: b'{"type":"note","data":1e999}\n', lambda: b'{"type":"note","data":"\\ud800"}\n',
        lambda: b'{"type":"note","data":"\xff"}\n', lambda: b"\xef\xbb\xbf" + good, lambda: raw_bytes(r, 500), lambda: b'{"data":1}\n', lambda: b"[]\n1\n",
    ])()  # fmt: skip
