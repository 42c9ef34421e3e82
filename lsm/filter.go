package lsm

// Filter decides on entries when they are compacted: state that has expired goes,
// and values move to a newer form. It sees an entry once in a while and maybe
// never, so it must not be the only one that decides. It is called by one
// goroutine at a time, not the owner's.
type Filter interface {
	// Decide looks at entries, in the order of their keys, and sets Decision
	// where one is not to stay as it is. Keys and values are good until it
	// returns. A panic of it is ErrFailed for the store: see PanicError.
	Decide(batch []FilterEntry)
}

// Decision is what becomes of an entry.
type Decision uint8

const (
	// Keep leaves it as it is.
	Keep Decision = iota
	// Drop takes it away. For a whole value that is as if the key had been
	// deleted; of what was appended only this piece goes.
	Drop
	// Replace gives it NewValue.
	Replace
)

// FilterEntry is an entry that a Filter decides on.
type FilterEntry struct {
	Key []byte
	// Value is the value, or the beginning of one that is too large for memory;
	// Size has its size.
	Value []byte
	Size  int64
	// Appended says that the value is a piece that was appended to what older
	// runs have.
	Appended bool

	Decision Decision
	// NewValue is kept until the batch is written. One above the limit of values
	// is ErrTooLarge, unless it replaces one that is as large: the compaction
	// changes nothing.
	NewValue []byte
}

// checkNew says whether the new value, if there is one, is not too large. Values
// that appends have made so may go on.
func (e *FilterEntry) checkNew(limit int64) error {
	limit = max(limit, e.Size)
	if size := int64(len(e.NewValue)); e.Decision == Replace && size > limit {
		return &SizeError{"value", size, limit}
	}
	return nil
}

const (
	// filterBatch bounds what a Filter decides on at a time.
	filterBatch      = 256
	filterBatchBytes = 256 << 10
)
