package memtable

import (
	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/internal/slab"
)

// MaxEntryBytes is the most that the key and the value of one write have
// together. What is larger never comes here: a record lies in one slab. A value
// that grows by appends has no limit.
const MaxEntryBytes int64 = 768 << 10

// Options are what a table is made with.
type Options struct {
	// Budget is where memory comes from. Default: one of the table's own, 64 MiB.
	Budget *slab.Budget
}

// Table is a run in memory. See package run for what operations on a key add up
// to. Keys and values are copied; none of them is kept.
//
// Thread safety: until Seal, one goroutine at a time, the owner. After it, reads
// are safe for concurrent use, except that an iterator belongs to one goroutine.
// Bytes and Len are safe beside reads.
type Table interface {
	// Set gives the key of the probe a value.
	Set(p *run.Probe, value []byte)
	// Delete says that the key has no value.
	Delete(p *run.Probe)
	// Append adds to the value of the key, in time that does not depend on how
	// much it has.
	Append(p *run.Probe, value []byte)
	// DeletePrefix removes all keys with a prefix from the table, in time that
	// depends on their number, and leaves a tombstone for older runs. The
	// probe's key is the prefix.
	DeletePrefix(p *run.Probe)
	// DeleteRange leaves a tombstone for older runs. What the table itself has
	// stays, so the range must be free of entries, or they count as written
	// after it.
	DeleteRange(r run.Range)

	// Get adds what the table has for the key and says whether older runs have
	// nothing to add, because of that or of a tombstone. The bytes are good
	// until the next write. A value in pieces comes with the newest first.
	Get(p *run.Probe, f *run.Finding) (last bool)
	// Hides says whether a tombstone of the table covers everything that older
	// runs have with the prefix of the probe.
	Hides(p *run.Probe) bool
	// Ranges are the range tombstones, to be read only.
	Ranges() run.Ranges
	// Live walks the entries with the prefix of a probe, as they are at each
	// step: the prefix tombstone, the key that is the prefix, the keys with
	// suffixes. Every Next goes to the smallest entry above the one before, so
	// the owner may write between calls; the entry is good until it does.
	// What reuse, if it is not nil, held is lost: it is an iterator that an
	// earlier call on a table of the same kind returned, and nobody uses.
	Live(p *run.Probe, reuse run.Iterator) run.BackwardIterator

	// Len is the number of entries, prefix and range tombstones among them.
	Len() int
	// Bytes is how much memory the table has taken.
	Bytes() int64
	// Seal ends writing, in constant time.
	Seal()
	// Iterator walks all entries of a sealed table. The first call sorts them.
	// Several iterators may be open.
	Iterator() run.Iterator
	// Release gives the memory back. Nobody uses the table, its iterators or
	// what they returned any more.
	Release()
}
