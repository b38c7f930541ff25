#!/usr/bin/python3
"""sink.py ADDRESS PORT DIR - an SMTP server that withholds what the test says.

Recipients dot...: the final dot is taken, its answer comes only once the file DIR/open exists. data...: likewise the
answer to DATA. Anything else: 250 at once. Lines of DIR/log: "mail", "data", "dot" and "answer", each with the
first recipient.
"""
import asyncio
import os
import sys


async def opened(where):
    while not os.path.exists(where + "/open"):
        await asyncio.sleep(0.02)


async def take_content(reader):
    while True:
        line = await reader.readline()
        if line == b"":
            return False
        if line == b".\r\n":
            return True


async def session(reader, writer, where, log):
    rcpts = []

    def say(text):
        writer.write(text.encode() + b"\r\n")

    def note(what):
        log.write(f"{what} {rcpts[0]}\n")
        log.flush()

    say("220 sink.example ESMTP")
    while True:
        line = (await reader.readline()).decode("latin-1").strip()
        verb, path = line[:4].upper(), line[line.find("<") + 1 : line.find(">")]
        if line == "":
            break
        if verb == "EHLO":
            say("250-sink.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
        elif verb == "MAIL":
            rcpts = []
            say("250 2.1.0 ok")
        elif verb == "RCPT":
            rcpts += [path]
            say("250 2.1.5 ok")
        elif verb == "DATA":
            note("data")
            if path_begins(rcpts, "data"):
                await opened(where)
            say("354 go on")
            if not await take_content(reader):
                break
            note("dot")
            if path_begins(rcpts, "dot"):
                await opened(where)
            note("answer")
            say("250 2.0.0 taken")
        elif verb == "QUIT":
            say("221 2.0.0 bye")
            break
        else:
            say("250 2.0.0 ok")
    writer.close()


def path_begins(rcpts, word):
    return rcpts[0].startswith(word)


async def main():
    address, port, where = sys.argv[1:4]
    with open(where + "/log", "a", encoding="ascii") as log:
        server = await asyncio.start_server(lambda r, w: session(r, w, where, log), address, int(port))
        async with server:
            await server.serve_forever()


asyncio.run(main())
