package lsm

import "github.com/weirstate/weir/lsm/internal/compaction"

// Filter drops or changes entries during compactions, for example to remove expired state or to
// convert values to a newer format. Its method Decide receives a batch of FilterEntry and sets
// Decision on the entries to drop or change. Compactions reach an entry rarely and perhaps
// never, so reads must apply the same rule. One goroutine at a time calls a Filter: the
// compactor, or a caller of Compact.
type Filter = compaction.Filter

// RangeFilter is a Filter for the keys of its FilterRange only. Entries outside are not copied
// into batches, which saves time.
type RangeFilter = compaction.RangeFilter

// FilterEntry is an entry that a Filter decides on.
type FilterEntry = compaction.FilterEntry

// Decision tells a compaction to keep, drop or change an entry.
type Decision = compaction.Decision

// Decisions of a Filter.
const (
	// Keep leaves the entry unchanged.
	Keep = compaction.Keep
	// Drop removes the entry. For a whole value this equals a delete of the key; for an
	// appended piece it removes only this piece.
	Drop = compaction.Drop
	// Replace sets the value of the entry to NewValue.
	Replace = compaction.Replace
)
