#!/usr/bin/python3
"""proxy.py LISTEN:PORT TO:PORT DIR - a wire that the test cuts where it likes.

While DIR/no-answer exists, what the server says after a final dot goes nowhere; while DIR/no-dot exists, the final
dot itself does. Lines of DIR/log: "dot" (one came from the client), "answered" (the server's next words came).
"""
import asyncio
import os
import sys

where = sys.argv[3]
log = open(where + "/log", "a", encoding="ascii")


def note(text):
    log.write(text + "\n")
    log.flush()


def told(what):
    return os.path.exists(f"{where}/{what}")


class Wire:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.dotted, self.tail = False, b""

    async def up(self, reader):
        while data := await reader.read(65536):
            self.tail = (self.tail + data)[-5:]
            if self.tail == b"\r\n.\r\n":
                self.dotted = True
                if told("no-dot"):
                    self.server.write(data[:-3])
                    note("dot")
                    continue
                note("dot")
            self.server.write(data)
        self.server.close()

    async def down(self, reader):
        while data := await reader.read(65536):
            if self.dotted:
                note("answered")
                if told("no-answer"):
                    continue
                self.dotted = False
            self.client.write(data)
        self.client.close()


async def session(reader, writer):
    host, port = sys.argv[2].rsplit(":", 1)
    try:
        back, forth = await asyncio.open_connection(host, int(port))
    except OSError:
        writer.close()
        return
    wire = Wire(writer, forth)
    await asyncio.gather(wire.up(reader), wire.down(back), return_exceptions=True)
    writer.close()
    forth.close()


async def main():
    host, port = sys.argv[1].rsplit(":", 1)
    server = await asyncio.start_server(session, host, int(port))
    async with server:
        await server.serve_forever()


asyncio.run(main())
