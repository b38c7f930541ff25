#!/usr/bin/env python3
"""Plays SMTP dialogs against a server, is the next hop behind it, and holds idle sessions.

player.py play HOST PORT SENT_DIR FILE...   each FILE is a dialog; what it delivers goes to SENT_DIR
player.py sink HOST PORT DIR                accepts everything; one file a message, without the
                                            Received field that the server added
player.py idle HOST PORT COUNT              COUNT greeted sessions until its input ends
player.py large HOST PORT SENT_DIR MIB      one message of that size

A dialog reads like SMTP:
  # a comment
  c: EHLO client.example        what the client says, with CRLF; lines in a row go out in one write
  c~ a\\n.\\n                     the same, raw: no CRLF added, escapes as in Python
  s: 250 2.1.0 *                what the server must say next; * is any text
  s: 250-*                      ... one line for each of its lines
  times 50                      the next line so many times, {n} counts from 1 in it
  from 192.0.2.11               connect from there (first line only)
  half-close                    the client closes its side
  end                           the server must close the connection
Content that the server acknowledges with 250 is kept in SENT_DIR, as it must arrive.
"""
import ast
import fnmatch
import hashlib
import os
import re
import socket
import sys
import threading

TIMEOUT = 30  # only for giving up


class Failed(Exception):
    pass


class Player:
    def __init__(self, address, name, sent_dir):
        self.address, self.name, self.sent_dir = address, name, sent_dir
        self.sock = self.reader = None
        self.pending = b""  # said, not yet sent
        self.content = None  # bytes since 354
        self.source = None
        self.messages = 0

    def connect(self):
        if self.sock is None:
            source = (self.source, 0) if self.source else None
            self.sock = socket.create_connection(self.address, TIMEOUT, source_address=source)
            self.reader = self.sock.makefile("rb")

    def flush(self):
        self.connect()
        if self.pending:
            if self.content is not None:
                self.content += self.pending
            try:
                self.sock.sendall(self.pending)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the server may have closed; what it said tells
            self.pending = b""

    def expect(self, pattern):
        self.flush()
        try:
            line = self.reader.readline()
        except (ConnectionResetError, socket.timeout) as error:
            raise Failed(f"wanted {pattern!r}, got {error}") from error
        text = line.decode("latin-1")
        if not text.endswith("\r\n") or not fnmatch.fnmatchcase(text[:-2], pattern.replace("[", "[[]")):
            raise Failed(f"wanted {pattern!r}, got {text!r}")
        if text.startswith("354"):
            self.content = b""
        elif self.content is not None:
            self.keep(text)

    def keep(self, reply):
        content, self.content = self.content, None
        if not reply.startswith("250"):
            return
        if not content.startswith(b".\r\n"):
            content = content[: content.index(b"\r\n.\r\n") + 2]
        else:
            content = b""
        content = re.sub(rb"(^|\r\n)\.", rb"\1", content)
        keep(self.sent_dir, content)
        self.messages += 1

    def end(self):
        self.flush()
        try:
            rest = self.reader.read()
        except ConnectionResetError:
            rest = b""
        if rest:
            raise Failed(f"wanted the end, got {rest!r}")

    def say_or_expect(self, what, text):
        if what == "c:":
            self.pending += text.encode() + b"\r\n"
        elif what == "c~":
            self.pending += ast.literal_eval('b"' + text.replace('"', '\\"') + '"')
        else:
            self.expect(text)

    def play(self, lines):
        times = 1
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\n")
            try:
                if line[:2] in ("c:", "c~", "s:"):
                    for n in range(1, times + 1):
                        self.say_or_expect(line[:2], line[3:].replace("{n}", str(n)))
                    times = 1
                elif line.startswith("times "):
                    times = int(line[6:])
                elif line.startswith("from "):
                    self.source = line[5:]
                elif line == "half-close":
                    self.flush()
                    self.sock.shutdown(socket.SHUT_WR)
                elif line == "end":
                    self.end()
                elif line and not line.startswith("#"):
                    raise Failed("not a line of a dialog")
            except Failed as error:
                raise Failed(f"{self.name}:{number}: {error}") from error
        if self.sock:
            self.sock.close()


def keep(directory, content):
    """One file a message, named after its content; a second one like it gets a number."""
    name = hashlib.sha256(content).hexdigest()[:16]
    for copy in range(100000):
        try:
            fd = os.open(f"{directory}/{name}.{copy}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            continue
        with os.fdopen(fd, "wb") as out:
            out.write(content)
        return


def play(host, port, sent_dir, *files):
    failures = 0
    for name in files:
        player = Player((host, int(port)), os.path.basename(name), sent_dir)
        try:
            with open(name, encoding="utf-8") as f:
                player.play(f)
            print(f"ok {player.name}")
        except Failed as error:
            print(f"FAILED {error}")
            failures += 1
    return 1 if failures else 0


RECEIVED = re.compile(rb"\AReceived: [^\r\n]*\(Bridgehead\)\r\n(?:[ \t][^\r\n]*\r\n)+")


def serve(sock, directory):
    reader = sock.makefile("rb")
    sock.sendall(b"220 sink\r\n")
    for line in reader:
        verb = line[:4].upper()
        if verb == b"EHLO":
            sock.sendall(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
        elif verb == b"DATA":
            sock.sendall(b"354 go\r\n")
            lines = []
            for text in reader:
                if text == b".\r\n":
                    break
                lines.append(text[1:] if text[:1] == b"." else text)
            content, found = RECEIVED.subn(b"", b"".join(lines), 1)
            keep(directory, content if found else b"NO RECEIVED FIELD\r\n" + content)
            sock.sendall(b"250 2.0.0 kept\r\n")
        elif verb == b"QUIT":
            sock.sendall(b"221 bye\r\n")
            return
        else:
            sock.sendall(b"250 ok\r\n")


def sink(host, port, directory):
    listener = socket.create_server((host, int(port)), backlog=100)
    print("ready", flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, directory), daemon=True).start()


def idle(host, port, count):
    socks = []
    for _ in range(int(count)):
        sock = socket.create_connection((host, int(port)), TIMEOUT)
        reader = sock.makefile("rb", buffering=0)
        line = reader.readline()
        assert line.startswith(b"220 "), line
        sock.sendall(b"EHLO idle.example\r\n")
        while (line := reader.readline()).startswith(b"250-"):
            pass
        assert line.startswith(b"250 "), line
        socks.append((sock, reader))
    print("ready", flush=True)
    sys.stdin.read()


def large(host, port, sent_dir, mib):
    player = Player((host, int(port)), "large", sent_dir)
    player.expect("220 *")
    block = b"".join(b"%07d " % i + b"x" * 68 + b"\r\n" for i in range(13797))
    player.pending = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<large@example.org>\r\nDATA\r\n"
    player.pending = b"EHLO large.example\r\n" + player.pending
    for pattern in ("250-*", "250-*", "250-*", "250-*", "250 *", "250 *", "250 *", "354 *"):
        player.expect(pattern)
    player.content = None
    content = b"Subject: large\r\n\r\n" + block * int(mib)
    player.sock.sendall(content + b".\r\n")
    player.expect("250 2.0.0 Queued as *")
    keep(sent_dir, content)


if __name__ == "__main__":
    commands = {"play": play, "sink": sink, "idle": idle, "large": large}
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]))
