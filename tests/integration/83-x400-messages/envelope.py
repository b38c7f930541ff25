#!/usr/bin/env python3
"""envelope.py - transfer envelopes of messages with more in them than p1_make knows, as they are stored (X.411 section 12.2).

  envelope.py make FILE ID TO [OPTION...]      plain; history; critical: of an unknown extension for transfer;
                                               recipient-critical; unknown: neither; type22;
                                               deferred=UTCTIME
  envelope.py exported FROM TO DEFERRED        FROM.json (of queue export) for a message TO that is held until then: in seconds since 1970
  envelope.py extensions FILE                  the extensions of a stored message, in hex, a line each, without traces:
                                               "message ..." and "recipient ..."
"""
import json
import sys


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    length = bytes([n]) if n < 128 else bytes([0x82, n >> 8, n & 255])
    return (bytes([tag]) if isinstance(tag, int) else tag) + length + body


def text(tag, value):
    return tlv(tag, value.encode())


def domain(admd, prmd):
    return tlv(0x63, tlv(0x61, text(0x13, "AA")), tlv(0x62, text(0x13, admd)), text(0x13, prmd))


def name(address):
    """An O/R name of C, A, P and S: /C=FR/A=BOB/P=X/S=b/"""
    part = dict(p.split("=") for p in address.strip("/").split("/"))
    built_in = [tlv(0x61, text(0x13, part["C"])), tlv(0x62, text(0x13, part["A"]))]
    if "P" in part:
        built_in.append(tlv(0xA2, text(0x13, part["P"])))
    built_in.append(tlv(0xA5, text(0x80, part["S"])))
    return tlv(0x60, tlv(0x30, *built_in))


def extension(number, value, critical=None):
    crit = b"" if critical is None else tlv(0x81, bytes([5, critical]))
    return tlv(0x30, tlv(0x80, bytes([number])), crit, tlv(0xA2, value))


FOR_TRANSFER = 0x40
TIME = text(0x17, "261121120000Z")


def make(path, ident, to, options):
    whole, person = [], []
    if "history" in options:
        # DL expansion history, critical for nothing; one entry, with an ORName and a time
        whole.append(extension(26, tlv(0x30, tlv(0x30, name("/C=DE/A=LIST/S=all/"), TIME))))
        # redirection history: the intended name, a time and the reason
        person.append(extension(25, tlv(0x30, tlv(0x31, tlv(0x31, name("/C=FR/A=BOB/S=old/"), TIME), tlv(0x0A, b"\0")))))
    if "unknown" in options:
        whole.append(extension(111, tlv(0x04, b"whatever \0 it is"), 0))
        person.append(extension(112, tlv(0x30, tlv(0x02, b"\x05"), text(0x0C, "\u00fc"))))
    if "critical" in options:
        whole.append(extension(113, tlv(0x05), FOR_TRANSFER))
    if "recipient-critical" in options:
        person.append(extension(114, tlv(0x05), FOR_TRANSFER))
    recipient = tlv(0x31, name(to), tlv(0x80, b"\1"), tlv(0x81, bytes([0, 0b10111000])),
                    tlv(0xA3, *person) if person else b"")
    deferred = b"".join(text(0x80, o.split("=")[1]) for o in options if o.startswith("deferred="))
    envelope = tlv(0xA0, tlv(0x64, domain(" ", "END"), text(0x16, ident)), name("/C=DE/A=ALICE/S=a/"),
                   tlv(0x46, b"\26" if "type22" in options else b"\2"), deferred, tlv(0x69), tlv(0xA3, *whole) if whole else b"", tlv(0xA2, recipient))
    with open(path, "wb") as f:
        f.write(envelope)


def walk(octets):
    """(tag, contents, whole) of each value; definite lengths, as everything is that we store."""
    at = 0
    while at < len(octets):
        start, tag = at, octets[at]
        at += 1
        if tag & 31 == 31:
            while octets[at] & 128:
                at += 1
            at += 1
        n = octets[at]
        at += 1
        if n & 128:
            count = n & 127
            n = int.from_bytes(octets[at:at + count], "big")
            at += count
        yield tag, octets[at:at + n], octets[start:at + n]
        at += n


def extensions(path):
    with open(path, "rb") as f:
        octets = f.read()
    envelope = next(walk(octets))[1]
    for tag, body, _ in walk(envelope):
        if tag == 0xA3:
            for _, inside, whole in walk(body):
                if inside[:3] != b"\x80\x01\x26":  # internal trace: each MTA has its element there
                    print("message", whole.hex())
        if tag == 0xA2:
            for _, recipient, _ in walk(body):
                for member, inside, _ in walk(recipient):
                    if member == 0xA3:
                        for _, _, whole in walk(inside):
                            print("recipient", whole.hex())


def exported(from_path, to_path, deferred):
    with open(from_path + ".json", encoding="utf-8") as f:
        e = json.load(f)
    for key in ("id", "size", "crc32c", "p1"):
        e.pop(key, None)
    e["envid"] = f"normal {int(deferred) + 7 * 86400} {deferred}"
    with open(to_path + ".json", "w", encoding="utf-8") as f:
        json.dump(e, f)


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
elif sys.argv[1] == "exported":
    exported(*sys.argv[2:])
else:
    extensions(sys.argv[2])
