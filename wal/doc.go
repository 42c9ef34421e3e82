// Package wal is a log: records of any bytes go into one file in order, and
// come out of it, after a crash, as a prefix of them that has everything that
// was synced. The log of the tree is one, its manifest is another. The room may
// not know what is in a record, when a log may go, or that there is a tree.
//
// # What is lost and what is damage
//
// A power cut may take any part of what was not synced, and this is no error:
// reading ends before the first record that is not whole, and what is behind it
// is never returned. What was synced is there, and if it is not as it was
// written, the file is corrupt. To tell the two apart, what is written in one
// piece, a frame, says up to where the file was durable before it: damage below
// the highest such position in the file is corruption, damage above it the end. A
// mark, a frame without records, says it of the last group that was synced, as
// long as nothing is written after it. A log that was closed clean ends with a
// frame that says that all before it is durable. The format is on the page
// docs/format-wal.md.
package wal
