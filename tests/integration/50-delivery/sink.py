#!/usr/bin/python3
"""sink.py ADDRESS PORT DIR - an SMTP server that answers by the recipient's local part.

no...: 550; busy...: 450 until the file DIR/open exists; anything else: 250. Each message taken is
DIR/NUMBER: the envelope as one line "FROM TO...", then the content.
"""
import asyncio
import itertools
import os
import sys

numbers = itertools.count(1)


def answer(address, where):
    if address.startswith("no"):
        return "550 5.1.1 no such user"
    if address.startswith("busy") and not os.path.exists(where + "/open"):
        return "450 4.2.1 mailbox busy"
    return "250 2.1.5 ok"


async def content(reader):
    lines = []
    while True:
        line = await reader.readline()
        if line in (b".\r\n", b""):
            return b"".join(lines)
        lines.append(line[1:] if line.startswith(b".") else line)


async def session(reader, writer, where):
    sender, rcpts = "", []

    def say(text):
        writer.write(text.encode() + b"\r\n")

    say("220 sink.example ESMTP")
    while True:
        line = (await reader.readline()).decode("latin-1").strip()
        verb, path = line[:4].upper(), line[line.find("<") + 1 : line.find(">")]
        if line == "":
            break
        if verb == "EHLO":
            say("250-sink.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
        elif verb == "MAIL":
            sender, rcpts = path, []
            say("250 2.1.0 ok")
        elif verb == "RCPT":
            reply = answer(path, where)
            rcpts += [path] if reply.startswith("250") else []
            say(reply)
        elif verb == "DATA" and rcpts:
            say("354 go on")
            body = await content(reader)
            name = f"{where}/{next(numbers)}"
            with open(name + ".part", "wb") as f:
                f.write(f"{sender} {' '.join(rcpts)}\n".encode() + body)
            os.rename(name + ".part", name)
            say("250 2.0.0 taken")
        elif verb == "QUIT":
            say("221 2.0.0 bye")
            break
        else:
            say("554 5.5.1 no valid recipients" if verb == "DATA" else "250 2.0.0 ok")
    writer.close()


async def main():
    address, port, where = sys.argv[1:4]
    server = await asyncio.start_server(lambda r, w: session(r, w, where), address, int(port))
    async with server:
        await server.serve_forever()


asyncio.run(main())
