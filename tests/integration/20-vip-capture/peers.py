#!/usr/bin/python3
"""peers: the world around one daemon, for run.sh.

    peers world SINK_FILE      on the other host: a name server and a mail exchanger for v4.example and v6.example,
                               where every subdomain exists; each message taken is a line "PEER RECIPIENT"
    peers load SENT_FILE STOP  on this host: a message every 20 ms to a new subdomain of either, through 127.0.0.1,
                               until the file STOP is there; each acknowledged recipient is a line
"""
import asyncio
import ipaddress
import os
import smtplib
import struct
import sys
import time

NAME_SERVER = "192.0.2.53"
EXCHANGERS = {"v4.example": (1, "192.0.2.1"), "v6.example": (28, "2001:db8::1")}
TYPE_A, TYPE_MX, TYPE_AAAA = 1, 15, 28


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".")) + b"\0"


class NameServer(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode("ascii").lower())
            at += 1 + data[at]
        name, (kind,) = ".".join(labels), struct.unpack_from(">H", data, at + 1)
        zone = ".".join(labels[-2:])
        answer = None
        if zone in EXCHANGERS:
            address_kind, exchanger = EXCHANGERS[zone]
            if kind == TYPE_MX:
                answer = struct.pack(">H", 10) + wire_name("mail." + name)
            elif kind == address_kind and labels[0] == "mail":
                answer = ipaddress.ip_address(exchanger).packed
        head = data[:2] + struct.pack(">HHHHH", 0x8580 if zone in EXCHANGERS else 0x8583, 1, int(answer is not None), 0, 0)
        record = b"" if answer is None else b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(answer)) + answer
        self.transport.sendto(head + data[12:at + 5] + record, address)


async def exchange(reader, writer, records):
    peer = writer.get_extra_info("peername")[0]
    recipients = []
    try:
        writer.write(b"220 world\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                recipients.append(line[line.index(b"<") + 1:line.index(b">")].decode("ascii"))
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                while await reader.readline() != b".\r\n":
                    pass
                for recipient in recipients:
                    records.write(f"{peer} {recipient}\n")
                recipients = []
            writer.write(b"250 2.0.0 ok\r\n")
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def world(path):
    records = open(path, "a", encoding="ascii", buffering=1)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(NameServer, local_addr=(NAME_SERVER, 53))
    for _, address in EXCHANGERS.values():
        await asyncio.start_server(lambda r, w: exchange(r, w, records), address, 25)
    records.write("ready\n")
    await asyncio.Event().wait()


def load(path, stop):
    records = open(path, "a", encoding="ascii", buffering=1)
    session, number = None, 0
    while not os.path.exists(stop):
        number += 1
        recipient = f"u{number}@d{number}.v{4 if number % 2 else 6}.example"
        try:
            session = session or smtplib.SMTP("127.0.0.1", 25, "load.example", timeout=20)
            session.sendmail("load@load.example", [recipient], f"Subject: {number}\r\n\r\nhello\r\n")
            records.write(recipient + "\n")
        except (OSError, smtplib.SMTPException):
            session = None
        time.sleep(0.02)


if sys.argv[1] == "world":
    asyncio.run(world(sys.argv[2]))
else:
    load(*sys.argv[2:])
