"""labmail - what prober, sender, sink and checker share: SMTP by hand, numbered messages, records.

A message's number is its recipient: TAG-N@lab.example, so that it can be found in an envelope, a queue listing and a
bounce alike. A record is a line of JSON; times are seconds since 1970 by the one clock all nodes of a lab share.
"""
import asyncio
import json
import os
import re
import signal
import socket
import time

DOMAIN = "lab.example"
ID = re.compile(r"\b([a-z][a-z0-9]*-[0-9]+)@lab\.example\b")
LINE_BYTES_MAX = 65536


class Refused(Exception):
    """A reply that is not the one hoped for."""

    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


class Records:
    """A file of records, each line out at once: the writer may be killed at any time."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="ascii", buffering=1)

    def put(self, **record):
        self.file.write(json.dumps(record, separators=(",", ":")) + "\n")


def read_records(paths):
    for path in paths:
        with open(path, encoding="ascii") as lines:
            for line in lines:
                if line.endswith("\n"):  # the last one may be on its way
                    yield json.loads(line)


def message(ident, size_bytes):
    head = f"From: <load@{DOMAIN}>\r\nTo: <{ident}@{DOMAIN}>\r\nSubject: {ident}\r\nMessage-ID: <{ident}@{DOMAIN}>\r\n\r\n"
    line = "x" * 70 + "\r\n"
    return (head + line * max(1, (size_bytes - len(head)) // len(line))).encode("ascii")


class Client:
    """One SMTP connection, one message after the other."""

    def __init__(self, host, port, source=None):
        self.host, self.port, self.source = host, port, source
        self.reader = self.writer = None
        self.phase = "connect"

    async def open(self):
        local = (self.source, 0) if self.source else None
        self.reader, self.writer = await asyncio.open_connection(
            self.host, self.port, local_addr=local, limit=LINE_BYTES_MAX)
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.phase = "banner"
        await self.expect(2)
        self.phase = "ehlo"
        await self.command(f"EHLO client.{DOMAIN}", 2)

    async def expect(self, first):
        while True:
            line = await self.reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("closed by the peer")
            if line[3:4] != b"-":
                break
        text = line.decode("ascii", "replace").rstrip()
        if not text[:3].isdigit():
            raise Refused(0, text)
        if int(text[0]) != first:
            raise Refused(int(text[:3]), text[4:])
        return text

    async def command(self, line, first):
        self.writer.write(line.encode("ascii") + b"\r\n")
        return await self.expect(first)

    async def send(self, ident, body, on_dot):
        """One message; on_dot(now) just before the final dot leaves. Returns the reply that acknowledges."""
        self.phase = "mail"
        self.writer.write(f"MAIL FROM:<load@{DOMAIN}>\r\nRCPT TO:<{ident}@{DOMAIN}>\r\nDATA\r\n".encode("ascii"))
        await self.expect(2)
        await self.expect(2)
        await self.expect(3)
        self.phase = "dot"
        on_dot(time.time())
        self.writer.write(body + b".\r\n")
        reply = await self.expect(2)
        self.phase = "idle"
        return reply

    async def quit(self):
        try:
            await asyncio.wait_for(self.command("QUIT", 2), 2)
        except (OSError, Refused, asyncio.TimeoutError):
            pass
        self.close()

    def close(self):
        if self.writer is not None:
            self.writer.transport.abort()


def outcome_of(error):
    """The word for a failed attempt."""
    if isinstance(error, Refused):
        return "reply"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError):
        return "reset"
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return "timeout"
    return type(error).__name__


class Stop:
    """Until a file appears, a time is over, or SIGTERM or SIGINT comes."""

    def __init__(self, path=None, duration_s=None):
        self.path = path
        self.end = time.monotonic() + duration_s if duration_s else None
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.ask)

    def ask(self, *_):
        self.asked = True

    def __call__(self):
        return (self.asked or (self.end is not None and time.monotonic() >= self.end)
                or (self.path is not None and os.path.exists(self.path)))


def host_port(text, default_port=25):
    """10.77.0.100, 10.77.0.100:2525, fd77::100, [fd77::100]:25"""
    match = re.fullmatch(r"\[(.+)\](?::(\d+))?", text) or re.fullmatch(r"([^:]+)(?::(\d+))?", text)
    if match is None:
        return text, default_port
    return match.group(1), int(match.group(2) or default_port)
