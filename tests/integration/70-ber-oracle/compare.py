"""compare.py DRIVER SCRATCH CASES - see run.sh. The seed of a case is its number."""
import random
import re
import subprocess
import sys

UNIVERSAL = {"OCTET STRING": 4, "NULL": 5, "SEQUENCE": 16, "SET": 17, "PRINTABLESTRING": 19, "IA5STRING": 22, "T61STRING": 20,
             "NUMERICSTRING": 18, "UTCTIME": 23, "BIT STRING": 3, "BOOLEAN": 1, "INTEGER": 2, "OBJECT": 6, "ENUMERATED": 10,
             "EXTERNAL": 8}
LINE = re.compile(r"\s*(\d+):d=(\d+)\s+hl=\s*(\d+)\s+l=\s*(\d+|inf)\s+(cons|prim): (.*)")
TAGGED = re.compile(r"(appl|cont|priv) \[ (\d+) \]")


def length(rng, n):
    """A definite length in a form that BER allows: the shortest, or with leading zeros. Not for nothing: OpenSSL before 3.0.22
    takes no long form that is the last of its input."""
    if n == 0 or n < 128 and rng.random() < 0.6:
        return bytes([n])
    octets = n.to_bytes(max(1, (n.bit_length() + 7) // 8), "big")
    octets = bytes(rng.randrange(3)) + octets
    return bytes([0x80 | len(octets)]) + octets


def identifier(rng, constructed):
    cls = rng.randrange(4)
    form = 0x20 if constructed else 0
    if cls == 0:
        return bytes([form | rng.choice([16, 17] if constructed else [4, 4, 19, 22])])
    number = rng.randrange(rng.choice([31, 200, 1 << 14, 1 << 28]))
    if number < 31:
        return bytes([cls << 6 | form | number])
    septets = [number & 0x7F]
    while number > 127:
        number >>= 7
        septets.append(0x80 | number & 0x7F)
    return bytes([cls << 6 | form | 0x1F]) + bytes(reversed(septets))


def value(rng, depth):
    constructed = depth == 0 or (depth < 9 and rng.random() < 0.5)
    if not constructed:
        body = rng.randbytes(rng.choice([0, 1, 5, 127, 128, 300, 2000]))
        return identifier(rng, False) + length(rng, len(body)) + body
    body = b"".join(value(rng, depth + 1) for _ in range(rng.randrange(4)))
    head = identifier(rng, True)
    if rng.random() < 0.4:
        return head + b"\x80" + body + b"\0\0"
    return head + length(rng, len(body)) + body


def openssl(path):
    out = subprocess.run(["openssl", "asn1parse", "-inform", "DER", "-in", path], capture_output=True, text=True, errors="replace")
    if out.returncode != 0:
        sys.exit(f"FAILED: openssl does not take {path}: {out.stderr}")
    listed = []
    for line in out.stdout.splitlines():
        match = LINE.match(line)
        if match is None:
            continue  # the rest of a text with line ends
        at, depth, header, size, form, what = match.groups()
        if what.startswith("EOC"):
            continue
        tagged = TAGGED.match(what)
        if tagged:
            tag = " ".join(tagged.groups())
        else:
            tag = "univ %d" % next(n for name, n in UNIVERSAL.items() if what.startswith(name))
        listed.append(f"{at} {depth} {header} {size} {form} {tag}")
    return listed


def ours(driver, path):
    with open(path, "rb") as octets:
        out = subprocess.run([driver, "list"], stdin=octets, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"FAILED: our reader does not take {path}: {out.stderr}")
    return out.stdout.splitlines()


def main():
    driver, scratch, cases = sys.argv[1], sys.argv[2], int(sys.argv[3])
    values = 0
    for case in range(cases):
        path = f"{scratch}/{case}.ber"
        with open(path, "wb") as f:
            if case % 2 == 0:
                f.write(value(random.Random(case), 0))
            else:
                f.write(subprocess.run([driver, "write", str(case)], capture_output=True, check=True).stdout)
        theirs, mine = openssl(path), ours(driver, path)
        if theirs != mine:
            for a, b in zip(theirs + [""] * len(mine), mine):
                if a != b:
                    sys.exit(f"FAILED: {path}: openssl says {a!r}, we say {b!r}")
            sys.exit(f"FAILED: {path}: openssl lists {len(theirs)} values, we {len(mine)}")
        values += len(mine)
    if values < 10 * cases:
        sys.exit(f"FAILED: only {values} values: this tested nothing")
    print(f"{cases} cases, {values} values listed alike")


main()
