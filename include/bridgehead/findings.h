/* bridgehead/findings.h - what `bridgehead store check` may find: number, dotted name, level, what
 * it means, whence it may come, and the cure.
 *
 * The number and the name never change and are never reused. docs/ops/store-findings.md is written
 * from these rows (lint_findings compares them). Ranges: 100 the store and its owner, 200 segments,
 * 300 records, 400 messages, 500 leftovers, 600 snapshots.
 *
 * Row: X(symbol, number, "dotted.name", LEVEL, "what is found", "whence it may come", "what to do")
 * LEVEL: DAMAGE (the store is not whole: exit code 6), WARNING (it is whole, and something is wrong
 * all the same) or NOTE (normal, or harmless).
 */
#ifndef BRIDGEHEAD_FINDINGS_H
#define BRIDGEHEAD_FINDINGS_H

/* clang-format off */
#define BRIDGEHEAD_FINDINGS(X) \
    BRIDGEHEAD_FINDINGS_STORE(X) \
    BRIDGEHEAD_FINDINGS_SEGMENT(X) \
    BRIDGEHEAD_FINDINGS_RECORD(X) \
    BRIDGEHEAD_FINDINGS_MESSAGE(X) \
    BRIDGEHEAD_FINDINGS_LEFTOVER(X) \
    BRIDGEHEAD_FINDINGS_SNAPSHOT(X)

#define BRIDGEHEAD_FINDINGS_STORE(X) \
    X(FINDING_STORE_DAMAGED, 101, "store.damaged", DAMAGE, "The file STORE has a wrong checksum or length; no daemon starts on this store.", "Damage of the disk or its filesystem, or a file that was written by hand.", "Restore STORE from a copy of this store: it is written once, by store init, and never changes.") \
    X(FINDING_STORE_NEWER, 102, "store.newer", DAMAGE, "STORE names a format that this release does not read; no daemon of this release starts on it.", "A newer release made the store.", "Install that release on every node.") \
    X(FINDING_OWNER_DAMAGED, 103, "owner.damaged", DAMAGE, "Both slots of the newest owner file are unreadable: nobody can tell who owns the store, and no daemon starts.", "Damage of the disk: a crash hurts one slot at most.", "Make sure that no daemon of any node runs on the store, then run store repair, which sets the file aside; the next owner claims a higher epoch.") \
    X(FINDING_OWNER_FOREIGN, 104, "owner.foreign", DAMAGE, "The newest owner file belongs to another store; no daemon starts.", "A file copied from another store.", "Make sure that no daemon runs on the store, then run store repair, which sets the file aside.") \
    X(FINDING_OWNER_NEWER, 105, "owner.newer", DAMAGE, "The newest owner file was written by a newer release; no daemon of this release starts.", "A node with a newer release owned the store.", "Install that release on this node.") \
    X(FINDING_OWNER_SLOT, 106, "owner.slot.torn", NOTE, "One of the two slots of the newest owner file is unreadable; the other one counts.", "A crash or a power cut while the lease was renewed.", "None needed.") \
    X(FINDING_OWNER_OLD, 107, "owner.old.damaged", NOTE, "An owner file of an earlier epoch is unreadable; it does not count any more.", "Damage of the disk.", "None needed; the next owner deletes it. Look at the disk.")

#define BRIDGEHEAD_FINDINGS_SEGMENT(X) \
    X(FINDING_SEGMENT_HEADER, 201, "segment.header.damaged", DAMAGE, "The header of a segment is unreadable: nothing in the segment can be checked, so nothing of it counts.", "Damage of the disk; a header is durable before its file has a name, so no crash explains it.", "Look at the disk; store repair moves the segment to quarantine/. Messages whose commit was in it are lost unless a copy of the file is found.") \
    X(FINDING_SEGMENT_FOREIGN, 202, "segment.foreign", DAMAGE, "A segment belongs to another store: nothing of it counts, and nothing deletes it.", "A file copied from another store.", "Move it back to where it belongs; store repair moves it to quarantine/.") \
    X(FINDING_SEGMENT_MISPLACED, 203, "segment.misplaced", DAMAGE, "A segment's header names another place, epoch or size than its file does: nothing of it counts.", "A file that was renamed or copied by hand.", "The detail has the name that the file should have: if that is missing, rename it so; else store repair moves it to quarantine/.") \
    X(FINDING_SEGMENT_NEWER, 204, "segment.newer", DAMAGE, "A segment was written in a format that this release does not read; no daemon of this release starts.", "A newer release owned the store.", "Install that release on this node.") \
    X(FINDING_SEGMENT_DUPLICATE, 205, "segment.duplicate", DAMAGE, "Two segments of one number both count; the one of the older epoch is used.", "Damage of a seal, or files restored over a store in use.", "store repair moves the other one to quarantine/.") \
    X(FINDING_SEGMENT_MISSING, 206, "segment.missing", DAMAGE, "A segment that must be there is not.", "A file deleted by hand, or lost by a filesystem check (look in lost+found).", "If no daemon has started without it: put the file back under its name, with no daemon running, and check again. A daemon that started has sealed the journal as it is: the file counts no more, and if it comes back, the next owner moves it to quarantine/. Then store repair sets aside what can be read of the messages that had a part in it, and takes the segment off the list; what else was in the file, store dump --content shows in a copy of the store with the file in its place.") \
    X(FINDING_SEGMENT_STRAY, 207, "segment.stray", NOTE, "A segment that no seal lists: nothing in it was ever acknowledged.", "A stale owner wrote it after it had lost the store, or an owner died before it had sealed.", "None needed, the next owner deletes it; if a node was not fenced, find out why.") \
    X(FINDING_SEGMENT_SHORT, 208, "segment.short", DAMAGE, "A segment's file ends before the bytes that must be there.", "A file truncated by hand or by a filesystem check, or restored from an incomplete copy.", "Restore the file; else store repair sets aside what can be read.") \
    X(FINDING_SEAL_DAMAGED, 209, "seal.damaged", DAMAGE, "The seal of the last epoch is unreadable: older segments are read as far as they go, and none of them is deleted.", "Damage of the disk at the start of the epoch's first segment.", "Look at the disk; the next owner seals anew.") \
    X(FINDING_SEAL_MISSING, 210, "seal.missing", DAMAGE, "A segment is missing, and there are segments that no seal lists: perhaps the missing one's seal did. Nothing of them counts, and the next owner moves them to quarantine/ instead of deleting them.", "A file deleted by hand, or lost by a filesystem check.", "Put the missing file back before a daemon starts: then all of it counts again. Once one has started, see segment.missing.")

#define BRIDGEHEAD_FINDINGS_RECORD(X) \
    X(FINDING_RECORD_HEADER, 301, "record.header.damaged", DAMAGE, "A record's header has a wrong checksum: the rest of the segment is given up, since nothing ever searches for a next record.", "Damage of the disk.", "Look at the disk; store repair rescues what lies before it and sets the rest aside.") \
    X(FINDING_RECORD_DAMAGED, 302, "record.damaged", DAMAGE, "A record's payload has a wrong checksum: it is left out, and the records behind it count.", "Damage of the disk.", "Look at the disk; a message with content there is held, and store repair sets aside what can be read of it.") \
    X(FINDING_RECORD_CONTRADICTS, 303, "record.contradicts", DAMAGE, "A record with good checksums says what cannot be; it has no effect.", "A fault of Bridgehead, or of memory without ECC.", "Report it with the output of store dump for this place.") \
    X(FINDING_RECORD_NEWER, 304, "record.newer", DAMAGE, "A record of a newer release, which must be understood; no daemon of this release starts.", "A newer release owned the store.", "Install that release on this node.") \
    X(FINDING_TAIL_TORN, 305, "tail.torn", NOTE, "The journal ends with a batch that was being written: nothing of it was acknowledged.", "A crash or a power cut.", "None needed.")

#define BRIDGEHEAD_FINDINGS_MESSAGE(X) \
    X(FINDING_MESSAGE_DAMAGED, 401, "message.content.damaged", DAMAGE, "Content of a queued message is in a damaged place: the message is held and is never sent.", "See the finding of that place.", "bridgehead queue show has its envelope; store repair sets aside what can be read of it, and queue import brings it back once its content is whole.") \
    X(FINDING_MESSAGE_MISSING, 402, "message.content.missing", DAMAGE, "Content of a queued message is in a segment that is not there: the message is held and is never sent.", "See segment.missing.", "See segment.missing; store repair sets aside what can be read of the message.")

#define BRIDGEHEAD_FINDINGS_LEFTOVER(X) \
    X(FINDING_LEFTOVER, 501, "leftover.file", NOTE, "A file that a daemon had not finished, or keeps for its next segment.", "A crash; or the daemon runs.", "None needed; the next owner deletes it.") \
    X(FINDING_UNKNOWN, 502, "unknown.file", NOTE, "A file or directory that Bridgehead does not make.", "Something else writes to the store's directory.", "Move it away: the store's directory is Bridgehead's alone.") \
    X(FINDING_QUARANTINE, 503, "quarantine.present", NOTE, "quarantine/ has what a store repair set aside.", "An earlier store repair.", "Look at its journal; bring back messages with queue import, then move it away. While it is there the state is degraded.")

#define BRIDGEHEAD_FINDINGS_SNAPSHOT(X) \
    X(FINDING_SNAPSHOT_DAMAGED, 601, "snapshot.damaged", WARNING, "A snapshot is unreadable. It is a cache: the store is whole without it; the next takeover begins at the one before, or reads the whole journal, and takes longer.", "Damage of the disk: a snapshot is read back from the disk before it has its name.", "None needed: the next owner deletes it, and writes another. Look at the disk.") \
    X(FINDING_SNAPSHOT_NEWER, 602, "snapshot.newer", WARNING, "A snapshot was written in a format that this release does not read; a takeover by this release reads the one before, or the whole journal.", "A newer release owned the store.", "None needed; install that release on every node.") \
    X(FINDING_SNAPSHOT_FOREIGN, 603, "snapshot.foreign", WARNING, "A snapshot of another store, or of another place than its name says: it is not used.", "A file that was copied or renamed by hand.", "Move it away.") \
    X(FINDING_SNAPSHOT_STRAY, 604, "snapshot.stray", NOTE, "A snapshot that does not count: it is not of the sealed epoch, and no seal names it.", "A stale owner finished it after it had lost the store, or an owner died before it deleted it.", "None needed, the next owner deletes it.") \
    X(FINDING_SNAPSHOT_DISAGREES, 605, "snapshot.disagrees", DAMAGE, "The checksums of a snapshot are good, and it says other things than the journal: the next takeover would believe it.", "A fault of Bridgehead, or of memory without ECC; or segments were put back from an old copy.", "Run store repair, which deletes it, before a daemon starts: the journal has all that counts. Report it with a copy of the file.")

/* clang-format on */

enum bridgehead_finding {
#define BRIDGEHEAD_FINDING_SYMBOL(symbol, number, name, level, what, cause, cure) symbol = number,
    BRIDGEHEAD_FINDINGS(BRIDGEHEAD_FINDING_SYMBOL)
#undef BRIDGEHEAD_FINDING_SYMBOL
};

#endif
