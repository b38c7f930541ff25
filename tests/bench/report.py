#!/usr/bin/env python3
"""Results of tests/bench/run: keep them, a JSON object a line, and print them as Markdown tables.

    report.py record FILE part=P target=T round=N KEY=VALUE...    a value @PATH is the JSON in PATH
    report.py table FILE...
"""

import json
import os
import statistics
import sys

BASELINE = "postfix"


def value_of(text):
    if text.startswith("@"):
        with open(text[1:], encoding="utf-8") as file:
            return json.load(file)
    try:
        return int(text)
    except ValueError:
        return text


def record(path, pairs):
    entry = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        entry[key] = value_of(text)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio_text(value):
    return "-" if value is None else f"{value:.2f}x"


def targets_of(entries):
    found = []
    for entry in entries:
        if entry["target"] not in found:
            found.append(entry["target"])
    return sorted(found, key=lambda name: (name != BASELINE, name))


def ratio_to_baseline(entries, target, measure):
    """Median of the ratios of each round: what was measured minutes apart is not compared."""
    base = {}
    for entry in entries:
        if entry["target"] == BASELINE:
            base[entry["round"]] = measure(entry)
    ratios = []
    for entry in entries:
        value = measure(entry)
        if entry["target"] == target and value is not None and base.get(entry["round"]):
            ratios.append(value / base[entry["round"]])
    return median(ratios)


def table(title, header, rows):
    print(f"\n### {title}\n")
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def seconds_to_last(entry, endpoint=None):
    """From the loader's first MAIL to the last message at the sink (or one of its endpoints)."""
    source = entry["sink"] if endpoint is None else entry["sink"]["endpoints"][endpoint]
    span = source["last_ns"] - entry["load"]["start_ns"]
    return span / 1e9 if span > 0 and entry["load"]["start_ns"] > 0 else None


def relay_rate(entry):
    seconds = seconds_to_last(entry)
    return entry["sink"]["distinct"] / seconds if seconds else None


def cpu_per_10k(entry, key="cpu_s"):
    done = entry["sink"]["distinct"]
    return entry["meter"][key] * 10000 / done if done else None


def cpu_not_ours(entry):
    """Seconds the processors spent on neither server nor load nor sink: how quiet it was."""
    ours = entry["meter"]["cpu_s"] + entry["load"]["cpu_s"] + entry["sink"]["cpu_s"]
    return entry["meter"]["host_busy_s"] - ours


def part_relay(entries):
    rows = []
    for target in targets_of(entries):
        own = [entry for entry in entries if entry["target"] == target]
        rates = [relay_rate(entry) or 0 for entry in own]
        sinks = [entry["sink"] for entry in own]
        rows.append([
            target, number(median(rates)), f"{number(min(rates))}..{number(max(rates))}",
            ratio_text(ratio_to_baseline(entries, target, relay_rate)),
            number(median([entry["load"]["rate"] for entry in own])),
            number(median([cpu_per_10k(entry) for entry in own]), 2),
            number(median([cpu_per_10k(entry, "cpu_user_s") for entry in own]), 2) + " / "
            + number(median([cpu_per_10k(entry, "cpu_system_s") for entry in own]), 2),
            number(median([entry["meter"]["peak_pss_kib"] / 1024 for entry in own])),
            number(median([entry["meter"]["processes"] for entry in own])),
            number(median([sink["endpoints"][0]["connections"] for sink in sinks])),
            number(median([cpu_not_ours(entry) for entry in own]), 1),
            sum(sink["duplicates"] for sink in sinks),
            sum(entry["load"]["acked"] - entry["sink"]["distinct"] for entry in own),
            sum(entry["load"]["failed"] + entry["load"]["unknown"] for entry in own),
        ])
    messages = entries[0]["messages"]
    table(f"Relay: {messages:,} messages, 4 KiB, 100 sessions",
          ["target", "relayed/s (median)", "min..max", "vs postfix", "accepted/s meanwhile",
           "CPU s per 10k", "user / sys", "peak PSS MiB", "procs", "sink conns",
           "CPU s not ours", "duplicates", "not delivered", "failed"], rows)


def part_accept(entries):
    rows = []
    for sessions in sorted({entry["sessions"] for entry in entries}):
        cell = [entry for entry in entries if entry["sessions"] == sessions]
        for target in targets_of(cell):
            loads = [entry["load"] for entry in cell if entry["target"] == target]
            rate = ratio_to_baseline(cell, target, lambda entry: entry["load"]["rate"])
            rows.append([
                sessions, target, number(median([load["rate"] for load in loads])),
                ratio_text(rate),
                number(median([load["dot_ms"]["p50"] for load in loads]), 2),
                number(median([load["dot_ms"]["p99"] for load in loads]), 2),
                sum(load["failed"] + load["unknown"] for load in loads),
            ])
    table("Accept: 1 KiB, many messages a connection, nothing delivered",
          ["sessions", "target", "accepted/s", "vs postfix", "dot to 250 p50 ms", "p99 ms",
           "failed"], rows)


def part_latency(entries):
    rows = []
    for target in targets_of(entries):
        own = [entry for entry in entries if entry["target"] == target]
        sinks = [entry["sink"]["endpoints"][0] for entry in own]
        loads = [entry["load"] for entry in own]
        rows.append([target] + [
            number(median([source[name][quantile] for source in group]), 2)
            for group, name, quantile in (
                (loads, "dot_ms", "p50"), (loads, "dot_ms", "p99"), (loads, "mail_ms", "p50"),
                (sinks, "from_data_ms", "p50"), (sinks, "from_data_ms", "p99"),
                (sinks, "from_mail_ms", "p50"), (sinks, "from_mail_ms", "p99"))
        ])
    table("Latency of a lone message: 5 a second, 4 KiB, ms",
          ["target", "dot to 250 p50", "p99", "MAIL to 250 p50", "content to sink p50", "p99",
           "MAIL to sink p50", "p99"], rows)


def part_idle(entries):
    rows = []
    for target in targets_of(entries):
        own = [entry for entry in entries if entry["target"] == target]
        each = [(entry["after"]["last_pss_kib"] - entry["before"]["last_pss_kib"])
                / entry["sessions"] for entry in own]
        rows.append([
            target, number(median([entry["load"]["idle_open"] for entry in own])),
            number(median([entry["before"]["last_pss_kib"] / 1024 for entry in own]), 1),
            number(median([entry["after"]["last_pss_kib"] / 1024 for entry in own]), 1),
            number(median([entry["after"]["processes"] for entry in own])),
            number(median(each), 1),
        ])
    table("Idle sessions", ["target", "sessions open", "PSS MiB before", "PSS MiB", "procs",
                            "KiB a session"], rows)


def part_large(entries):
    rows = []
    for target in targets_of(entries):
        own = [entry for entry in entries if entry["target"] == target]
        meters = [entry["meter"] for entry in own]
        rows.append([
            target, number(median([meter["first_private_kib"] / 1024 for meter in meters]), 1),
            number(median([meter["peak_private_kib"] / 1024 for meter in meters]), 1),
            number(median([meter["peak_pss_kib"] / 1024 for meter in meters]), 1),
            number(median([entry["load"]["seconds"] for entry in own]), 2),
            number(median([seconds_to_last(entry) for entry in own]), 2),
            number(median([meter["cpu_s"] for meter in meters]), 2),
            f"{sum(entry['sink']['distinct'] for entry in own)} of {len(own)}",
        ])
    size = entries[0]["bytes"]
    table(f"One message of {size:,} bytes",
          ["target", "RssAnon + RssShmem before, MiB", "peak", "peak PSS MiB", "s to 250",
           "s to sink", "CPU s", "delivered"], rows)


def good_rate(entry):
    seconds = seconds_to_last(entry, 0)
    return entry["sink"]["endpoints"][0]["messages"] / seconds if seconds else 0


def good_share(entry):
    return 100 * entry["sink"]["endpoints"][0]["messages"] / (entry["messages"] / 2)


def isolation_table(entries, title):
    rows = []
    for target in targets_of(entries):
        own = [entry for entry in entries if entry["target"] == target]
        healthy = [entry for entry in own if entry["second"] == "normal"]
        hole = [entry for entry in own if entry["second"] == "blackhole"]
        pairs = []
        for entry in hole:
            partner = [other for other in healthy if other["round"] == entry["round"]]
            if partner and good_rate(partner[0]):
                pairs.append(good_rate(entry) / good_rate(partner[0]))
        rows.append([
            target, number(median([good_rate(entry) for entry in healthy])),
            number(median([good_rate(entry) for entry in hole])), number(median(pairs), 2),
            " ".join(number(pair, 2) for pair in pairs),
            number(min((good_share(entry) for entry in hole), default=0), 1) + " %",
            number(median([entry["sink"]["endpoints"][0]["from_data_ms"]["p99"]
                           for entry in healthy])),
            number(median([entry["sink"]["endpoints"][0]["from_data_ms"]["p99"]
                           for entry in hole])),
            number(median([entry["sink"]["endpoints"][1]["open_peak"] for entry in hole])),
            number(median([entry["meter"]["peak_pss_kib"] / 1024 for entry in hole])),
        ])
    table(title, ["target", "good/s, healthy", "good/s, black hole", "ratio (median)",
                  "each pair", "good delivered", "good p99 ms, healthy", "black hole",
                  "conns into hole", "peak PSS MiB"], rows)


def part_isolation(entries):
    isolation_table(entries, f"Isolation: {entries[0]['messages']:,} messages, half of them for a "
                             "second domain, healthy / a black hole")


def part_deep(entries):
    isolation_table(entries, "Isolation with more stuck mail than Postfix's active queue "
                             f"(cut to 2,000): {entries[0]['messages']:,} messages, half stuck")


def part_stuck(entries):
    good = entries[0]["messages"] // 2
    isolation_table(entries, f"{good:,} messages for a healthy domain, alone / while "
                             f"{entries[0]['stuck']:,} are stuck for a black hole (Postfix's active "
                             "queue cut to 2,000)")


def part_disk(entries):
    rows = [[entry["disk"]["pattern"], entry["disk"]["batch"],
             number(entry["disk"]["syncs_per_s"]), number(entry["disk"]["records_per_s"]),
             number(entry["disk"]["sync_ms"]["p50"], 3), number(entry["disk"]["sync_ms"]["p99"], 3)]
            for entry in entries]
    table("Disk: records of 4 KiB, one writer, fdatasync",
          ["pattern", "records per sync", "syncs/s", "records/s", "p50 ms", "p99 ms"], rows)


def part_journal(entries):
    rows = []
    for writers in sorted({entry["journal"]["writers"] for entry in entries}):
        own = [entry for entry in entries if entry["journal"]["writers"] == writers]
        journals, disks = [entry["journal"] for entry in own], [entry["disk"] for entry in own]
        ratios = [disk["seconds"] / journal["seconds"] for journal, disk in zip(journals, disks)]
        rows.append([
            writers, number(median([j["messages_per_s"] for j in journals])),
            number(median([j["messages_per_sync"] for j in journals]), 1),
            number(median([j["commit_ms"]["p50"] for j in journals]), 3),
            number(median([j["commit_ms"]["p99"] for j in journals]), 3),
            number(median([j["cpu_s_per_10k"] for j in journals]), 2),
            number(median([j["mib_per_s"] for j in journals])),
            number(median([d["mib_per_s"] for d in disks])),
            number(median([d["sync_ms"]["p50"] for d in disks]), 3),
            number(median(ratios), 2), " ".join(number(ratio, 2) for ratio in ratios)])
    table("The journal by itself: messages of 4 KiB, each with its outcome; and the bare loop that "
          "makes the same batches in as many segments",
          ["writers", "messages/s", "messages per sync", "commit p50 ms", "p99 ms",
           "CPU s per 10k", "MiB/s", "bare loop MiB/s", "bare write + sync p50 ms",
           "journal / bare (median)", "each round"], rows)


def part_dot(entries):
    rows = []
    for pace in sorted({entry["pace_ms"] for entry in entries}):
        own = [entry for entry in entries if entry["pace_ms"] == pace]
        dots = [entry["load"]["dot_ms"]["p50"] for entry in own]
        syncs = [entry["disk"]["sync_ms"]["p50"] for entry in own]
        rows.append([
            f"one every {pace} ms" if pace else "one after the other",
            number(median(dots), 3), number(median(syncs), 3),
            number(median([dot - sync for dot, sync in zip(dots, syncs)]), 3),
            " ".join(number(dot - sync, 3) for dot, sync in zip(dots, syncs))])
    table("A lone message of 4 KiB in one session: final dot to 250, and the bare write and sync of "
          "the same bytes at the same pace, ms",
          ["messages", "dot to 250 p50", "bare p50", "difference (median)", "each round"], rows)


def part_loopback(entries):
    rows = []
    for entry in entries:
        cpu = entry["load"]["cpu_s"] + entry["sink"]["cpu_s"]
        rows.append([entry["sessions"], number(relay_rate(entry)),
                     number(cpu * 10000 / max(entry["sink"]["distinct"], 1), 2)])
    table("Load generator to sink, nothing between: 4 KiB",
          ["sessions", "messages/s", "CPU s per 10k, both together"], rows)


def part_check(entries):
    rows = []
    for cache in ("warm", "cold"):
        bare = [float(entry[f"{cache}_bare_s"]) for entry in entries]
        took = [float(entry[f"{cache}_s"]) for entry in entries]
        rows.append([cache, number(median(bare), 2), number(median(took), 2),
                     number(median([t - b for t, b in zip(took, bare)]), 2),
                     " ".join(f"{number(t, 2)}/{number(b, 2)}" for t, b in zip(took, bare))])
    table(f"store check of {entries[0]['messages']} messages of 4 KiB ({number(entries[0]['bytes'] / 2**30, 2)} GiB), "
          "and cat of the same files, s",
          ["page cache", "cat", "store check", "difference (median)", "each round (check/cat)"], rows)


def part_x400_rate(entries):
    rows = []
    for associations in sorted({entry["associations"] for entry in entries}):
        own = [entry for entry in entries if entry["associations"] == associations]
        rates = [entry["messages"] / float(entry["seconds"]) for entry in own]
        cpu = [number(median([entry[side]["cpu_s"] * 1e6 / entry["messages"] for entry in own]))
               for side in ("near", "far", "in")]
        rows.append([
            associations, " ".join(str(entry["opened"]) for entry in own), number(median(rates)),
            " ".join(number(rate) for rate in rates), cpu[0], cpu[1],
            number(median([entry["load"]["rate"] for entry in own])), cpu[2],
            number(median([entry["near"]["peak_private_kib"] / 1024 for entry in own]), 1) + " / "
            + number(median([entry["far"]["peak_private_kib"] / 1024 for entry in own]), 1),
            sum(entry["messages"] - entry["sink"]["distinct"] for entry in own),
            sum(entry["sink"]["duplicates"] for entry in own)])
    table(f"X.400: {entries[0]['messages']:,} messages of 4 KiB, from daemon to daemon",
          ["associations", "opened, each round", "messages/s (median)", "each round",
           "sender: CPU µs a message", "receiver: CPU µs a message",
           "accepted/s from the loader before (8 associations)", "CPU µs a message",
           "peak RssAnon + RssShmem, sender / receiver, MiB", "missing", "twice"], rows)


def part_x400_large(entries):
    rows = []
    for side in ("near", "far"):
        meters = [entry[side] for entry in entries]
        rows.append([
            {"near": "first", "far": "second"}[side],
            number(median([meter["first_private_kib"] / 1024 for meter in meters]), 1),
            number(max(meter["peak_private_kib"] / 1024 for meter in meters), 1),
            number(max(meter["peak_pss_kib"] / 1024 for meter in meters), 1),
            number(median([meter["cpu_s"] for meter in meters]), 2),
            number(median([entry["load"]["seconds"] for entry in entries]), 2),
            number(median([seconds_to_last(entry) for entry in entries]), 2),
            f"{sum(entry['sink']['distinct'] for entry in entries)} of {len(entries)}"])
    table(f"X.400: a content of {entries[0]['bytes']:,} octets through two daemons",
          ["daemon", "RssAnon + RssShmem before, MiB", "peak", "peak PSS MiB", "CPU s",
           "s until the first has it", "s to the sink", "came"], rows)


def x400_pairs(entries, value):
    """For each round with both: the value alone and beside."""
    found = {(entry["round"], entry["variant"]): value(entry) for entry in entries}
    return [(found[n, "alone"], found[n, "beside"]) for n in sorted({n for n, _ in found})
            if (n, "alone") in found and (n, "beside") in found]


def x400_both(entries, value, digits=0):
    pairs = x400_pairs(entries, value)
    return " / ".join(number(median([pair[i] for pair in pairs]), digits) for i in (0, 1))


def x400_sick(entries):
    """How sick the two were, and what is no matter of speed."""
    beside = [entry for entry in entries if entry["variant"] == "beside"]
    return [number(median([entry["flap"]["cuts"] for entry in beside])),
            number(median([entry["flap"]["connections"] for entry in beside])),
            number(median([entry["hole"]["endpoints"][0]["connections"] for entry in beside])),
            sum(entry["messages"] - entry["sink"]["distinct"] for entry in entries),
            sum(entry["sink"]["duplicates"] for entry in entries)]


X400_SICK = ["cuts of the flapping peer", "calls to it", "calls into the hole", "missing", "twice"]


def x400_cpu_us(entry):
    return entry["near"]["cpu_s"] * 1e6 / entry["messages"]


def x400_share(entry, seconds):
    """Of what all processors had to give while the daemon was measured, in percent."""
    return seconds * 100 / (os.cpu_count() * entry["near"]["elapsed_s"])


def x400_foreign(entry):
    """What others had of the processors meanwhile: a measurement beside them is none."""
    known_s = sum(entry[who]["cpu_s"] for who in ("near", "sink", "flap", "load") if who in entry)
    return x400_share(entry, entry["near"]["host_busy_s"] - known_s)


X400_FOREIGN = "others had of the processors, % (at most)"


def part_x400_isolation(entries):
    def rate(entry):
        return entry["messages"] / float(entry["seconds"])

    ratios = [beside / alone for alone, beside in x400_pairs(entries, rate)]
    table(f"X.400: {entries[0]['messages']:,} messages of 4 KiB for a healthy connector (4 "
          f"associations), alone / beside a black hole and a peer that flaps, "
          f"{entries[0]['stuck']:,} messages stuck for each",
          ["messages/s", "ratio (median)", "each pair", "the daemon's CPU µs a message",
           "processors busy, %", X400_FOREIGN] + X400_SICK,
          [[x400_both(entries, rate), number(median(ratios), 2),
            " ".join(number(ratio, 2) for ratio in ratios), x400_both(entries, x400_cpu_us),
            x400_both(entries, lambda entry: x400_share(entry, entry["near"]["host_busy_s"])),
            number(max(x400_foreign(entry) for entry in entries))] + x400_sick(entries)])


def part_x400_paced(entries):
    def rate(entry):
        sink = entry["sink"]
        return (sink["messages"] - 1) * 1e9 / (sink["last_ns"] - sink["first_ns"])

    ratios = [beside / alone for alone, beside in x400_pairs(entries, rate)]
    table(f"X.400: the same at {entries[0]['rate']:,} messages a second from the loader, "
          f"{entries[0]['messages']:,} in all",
          ["messages/s at the sink", "ratio (median)", "each pair",
           "ms from due to the sink: median", "99 %", "most",
           "the daemon's CPU µs a message", X400_FOREIGN] + X400_SICK,
          [[x400_both(entries, rate), number(median(ratios), 3),
            " ".join(number(ratio, 3) for ratio in ratios)] +
           [x400_both(entries, lambda entry, q=q: entry["sink"]["latency_ms"][q], 1)
            for q in ("p50", "p99", "max")] + [x400_both(entries, x400_cpu_us),
           number(max(x400_foreign(entry) for entry in entries))] + x400_sick(entries)])


X400_PRIVATE_KIB_MAX = 64 * 1024


def x400_broken(entry):
    """What is no matter of speed: a sentence for each promise that was not kept."""
    sink = entry["sink"]
    for key in ("duplicates", "altered", "others", "unnumbered"):
        if sink[key] > 0:
            yield f"{sink[key]} {key}"
    if sink["distinct"] != entry["messages"]:
        yield f"{sink['distinct']} of {entry['messages']} messages came"
    for side in ("near", "far"):
        if side in entry and entry[side]["peak_private_kib"] > X400_PRIVATE_KIB_MAX:
            yield f"{side} had {entry[side]['peak_private_kib']} KiB of RssAnon + RssShmem"


PARTS = {"disk": part_disk, "check": part_check, "journal": part_journal, "dot": part_dot, "loopback": part_loopback, "relay": part_relay,
         "latency": part_latency, "accept": part_accept, "idle": part_idle, "large": part_large,
         "isolation": part_isolation, "deep": part_deep,
         "stuck": part_stuck, "x400_rate": part_x400_rate, "x400_large": part_x400_large,
         "x400_isolation": part_x400_isolation, "x400_paced": part_x400_paced}


def print_tables(paths):
    entries = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            entries += [json.loads(line) for line in file if line.strip()]
    for name, show in PARTS.items():
        own = [entry for entry in entries if entry["part"] == name]
        if own:
            show(own)
    broken = [f"{entry['part']}, round {entry['round']}: {what}" for entry in entries
              if entry["part"].startswith("x400_") for what in x400_broken(entry)]
    if broken:
        sys.exit("FAILED: " + "; ".join(broken))


def main(arguments):
    if len(arguments) >= 3 and arguments[0] == "record":
        record(arguments[1], arguments[2:])
    elif len(arguments) >= 2 and arguments[0] == "table":
        print_tables(arguments[1:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
