package lsm

import "github.com/weirstate/weir/lsm/internal/compaction"

// Filter decides on entries when they are compacted: state that has expired goes, and values
// move to a newer form. Its method Decide looks at a batch of FilterEntry and sets Decision
// where one is not to stay as it is. It sees an entry once in a while and maybe never, so it
// must not be the only one that decides. It is called by one goroutine at a time, not the
// owner's.
type Filter = compaction.Filter

// RangeFilter is a Filter that is asked about the keys of its FilterRange only. Entries that
// a Filter is asked about are copied.
type RangeFilter = compaction.RangeFilter

// FilterEntry is an entry that a Filter decides on.
type FilterEntry = compaction.FilterEntry

// Decision is what becomes of an entry.
type Decision = compaction.Decision

// Decisions of a Filter.
const (
	// Keep leaves the entry as it is.
	Keep = compaction.Keep
	// Drop takes the entry away. For a whole value that is as if the key had been
	// deleted; of what was appended only this piece goes.
	Drop = compaction.Drop
	// Replace gives the entry NewValue.
	Replace = compaction.Replace
)
