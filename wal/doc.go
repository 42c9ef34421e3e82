// Package wal is a log: a file of records. A record is any sequence of bytes. Records are
// appended in order. After a crash, reading returns the first n records, including all that
// were synced. A store of package lsm has two kinds of logs: the log of writes and the
// manifest. The package does not interpret records, and does not decide when a log may be
// removed.
//
// # Loss and damage
//
// A power cut may destroy any part of the data that was not synced. This is not an error:
// reading ends before the first record that is incomplete, and never returns data after it.
// Data that was synced must be intact; if it is not, the file is corrupt. The reader must tell
// these two cases apart:
//
//	frame 1        frame 2        frame 3         frame 4
//	[synced: 0]    [synced: 0]    [synced: f2]    [damaged ...
//	                               |
//	                               everything before the end of frame 2 was durable
//
// Each frame (the bytes of one write) records up to which position the file was durable before
// the frame was written. A damaged byte below the highest such position in the file is
// corruption (ErrCorrupt); damage above it is the end of the log, left by a crash.
//
// The frames of the last sync have no later frame that records them as durable. So after a
// sync, if nothing was appended during the sync, the writer appends a mark: a frame without
// records that only carries the position. The mark itself is not synced. If a power cut
// removes it, damage to the frames of the last sync is not detected and reads as the end of
// the log. A log that is closed cleanly ends with an end frame, which declares everything
// before it durable.
//
// docs/format-wal.md describes the format.
package wal
