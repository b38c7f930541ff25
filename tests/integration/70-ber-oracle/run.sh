#!/usr/bin/env bash
# BER against an independent reader: what our writer writes, and random values in every form of length that an encoder of
# this test's own chooses, are listed the same by openssl asn1parse and by our reader.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/../lib.sh"
command -v openssl >/dev/null || skip "openssl is not installed"
command -v python3 >/dev/null || skip "python3 is not installed"
rm -rf "$scratch"
mkdir -p "$scratch"
python3 "$here/compare.py" "$BRIDGEHEAD_BUILD/tests/integration/70-ber-oracle_driver" "$scratch" 40
