package backend

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// TieredBackend is a ByteBackend with a hot tier. Package state keeps rows that are in use as
// decoded Go values in a TierTable of each state, in front of the backend's own rows, which are
// below. It reads a row from below when it is first needed. The backend writes the rows that have
// changed below, in the background: see Tier.
type TieredBackend interface {
	ByteBackend
	// Tier returns the hot tier, or nil if it is switched off. It returns the same one each
	// time.
	Tier() *Tier
	// AddTierTable returns an empty index for the table of a state, after AddState of the
	// state. The index's Delete must delete any row by hash and slot. Errors are those of
	// AddState.
	AddTierTable(Info, TierTable) (Index, error)
	// MayHold reports whether the rows below may include the composite key, or one that
	// begins with it if it ends after the namespace. False is certain. It reads no file.
	MayHold(key []byte) bool
}

// Tier is the part of a hot tier that its tables share: epochs and memory.
//
// Problem: reads of a row should not decode it, and writes should not encode it. But what was
// written must be in the next snapshot, and a snapshot must not stop the task for as long as it
// takes to encode the rows.
//
// Idea: a row in the tier is a Go value with the number of the epoch in which it was last written.
// A freeze ends an epoch, in constant time: the pages of the tables are copy-on-write. The
// backend encodes the rows written in that epoch from the frozen pages, in the order of their
// keys, and installs them below as one run.
//
//	epoch      1         2         3          4 = Epoch()
//	        ---|---------|---------|----------|----►
//	rows       installed            pending     dirty
//	           as below             frozen,     written since
//	           may be evicted       encoded     the last freeze
//	                                next
//
// A backend reads rows below without the pending runs. So a row that is not in the tier has
// everything below.
//
// Invariant: a row that was written after epoch Installed is in the tier. The run of an epoch
// holds exactly the rows of the epoch, as they were at its end, and runs are installed in the
// order of their epochs.
//
// Thread safety: the task's goroutine only.
type Tier struct {
	registry  *Registry
	epoch     uint32
	installed uint32
	written   bool // something was written in this epoch
	bytes     int64
	limit     int64
	dirty     int64 // bytes of rows written in this epoch
	mostDirty int64 // limit of dirty
	makeRoom  func() error
	refresh   func()
	tables    []tierTable // ordered by id
	shared    bool        // a run has tables, which must not change
	sweeping  int         // index in tables of the one that Evict examines next
}

// tierTable is a table of a tier with the ID of its state.
type tierTable struct {
	id ID
	TierTable
}

// NewTier returns a tier without tables, which may take about limit bytes. Above the limit, MakeRoom
// calls makeRoom: it calls Evict, and ends an epoch and installs it if too few rows are installed.
// Refresh calls Install for the epochs that another goroutine has installed.
func NewTier(r *Registry, limit int64, makeRoom func() error, refresh func()) *Tier {
	return &Tier{registry: r, epoch: 1, limit: limit, mostDirty: math.MaxInt64, makeRoom: makeRoom, refresh: refresh}
}

// Add adds the table of a state. TieredBackend.AddTierTable calls it.
func (t *Tier) Add(id ID, table TierTable) {
	if t.shared {
		t.tables, t.shared = slices.Clone(t.tables), false
	}
	at, _ := slices.BinarySearchFunc(t.tables, id, func(e tierTable, id ID) int { return cmp.Compare(e.id, id) })
	t.tables = slices.Insert(t.tables, at, tierTable{id, table})
}

// Epoch returns the number of the current epoch, at least 1.
func (t *Tier) Epoch() uint32 { return t.epoch }

// IsInstalled reports whether what was written in an epoch is below. It is true for epoch 0,
// which stands for a row that was read and not written.
func (t *Tier) IsInstalled(epoch uint32) bool { return epoch <= t.installed }

// Written records that a row was written in this epoch.
func (t *Tier) Written() { t.written = true }

// HasWrites reports whether a row was written in this epoch.
func (t *Tier) HasWrites() bool { return t.written }

// Freeze ends the epoch, in constant time, and returns its run. The backend installs the runs below
// in the order of Freeze, and closes them. Freeze returns ErrFull after 2^32 - 2 epochs, which is 136
// years with one each second; a restore begins with the first one.
func (t *Tier) Freeze() (*TierRun, error) {
	if t.epoch == math.MaxUint32 {
		return nil, fmt.Errorf("the hot tier has ended %d epochs: restore from a checkpoint: %w", t.epoch-1, ErrFull)
	}
	run := &TierRun{
		pin: t.registry.Freeze(), Epoch: t.epoch, groups: t.registry.Keyspace().Groups, tables: t.tables,
	}
	t.epoch++
	t.written, t.shared, t.dirty = false, true, 0
	return run, nil
}

// Install records that everything up to an epoch is below.
func (t *Tier) Install(epoch uint32) { t.installed = max(t.installed, epoch) }

// ReadBelow calls read, which reads rows below, and calls it again if an epoch was installed during
// the call. So IsInstalled tells of each epoch whether read has seen it. Tables that join what is
// in the tier with what is below need it; others may read without.
func (t *Tier) ReadBelow(read func() error) error {
	for {
		t.refresh()
		before := t.installed
		err := read()
		if t.refresh(); t.installed == before {
			return err
		}
	}
}

// Charge adds to the memory of the tables, in bytes. It may be negative.
func (t *Tier) Charge(bytes int64) { t.bytes += bytes }

// Bytes returns what the rows are charged, in bytes.
func (t *Tier) Bytes() int64 { return t.bytes }

// Memory returns the memory of the tables on Go's heap, in bytes: that of the rows, of free slots
// between them, and of pages that a freeze keeps.
func (t *Tier) Memory() int64 {
	bytes := t.bytes + t.registry.clock.RetainedBytes()
	for _, table := range t.tables {
		bytes += max(0, table.Slack())
	}
	return bytes
}

// Limit returns the memory that the tables may take, in bytes.
func (t *Tier) Limit() int64 { return t.limit }

// SetLimit changes the limit.
func (t *Tier) SetLimit(bytes int64) { t.limit = bytes }

// ChargeWrite records the first write to a row of some bytes in this epoch, or a change of the size of
// such a row.
func (t *Tier) ChargeWrite(bytes int64) {
	if t.dirty = max(0, t.dirty+bytes); t.dirty > t.mostDirty {
		t.limit = math.MinInt64 // the next MakeRoom calls makeRoom
		t.mostDirty = math.MaxInt64
	}
}

// Dirty returns approximately the bytes of the rows that were written in this epoch.
func (t *Tier) Dirty() int64 { return t.dirty }

// SetDirtyLimit lets MakeRoom call makeRoom when Dirty exceeds a number of bytes for the first time.
func (t *Tier) SetDirtyLimit(bytes int64) {
	if t.mostDirty = bytes; t.dirty > bytes {
		t.mostDirty = math.MaxInt64
	}
}

// MakeRoom makes room if the tables take more than the limit. It may evict any row and move
// others, so a table calls it before it looks for a row.
func (t *Tier) MakeRoom() error {
	if t.bytes <= t.limit {
		return nil
	}
	return t.makeRoom()
}

// Evict removes rows that are installed until the tables take at most a number of bytes, those that
// were not used for some time first. It reports whether they do.
func (t *Tier) Evict(bytes int64) bool {
	for idle := 0; t.bytes > bytes && idle < idleSweeps*len(t.tables); t.sweeping++ {
		if t.sweeping >= len(t.tables) {
			t.sweeping = 0
		}
		more, rows := true, 0
		for removed := 0; more && t.bytes > bytes; rows += removed {
			removed, more = t.tables[t.sweeping].Evict(evictSlots)
		}
		if idle++; rows > 0 {
			idle = 0
		}
	}
	return t.bytes <= bytes
}

// idleSweeps is the number of sweeps over a table without an eviction after which nothing can be evicted.
// The first sweep begins in the middle of the table, and the second may only clear marks of use.
const idleSweeps = 3

// evictSlots is the number of slots that Evict examines before it checks the memory again.
const evictSlots = 256

// Drop removes all rows, whatever they are. A restore calls it before it writes rows below.
func (t *Tier) Drop() {
	for _, table := range t.tables {
		table.Drop()
	}
	t.written, t.dirty = false, 0
}

// HasRows reports whether a row with a value is in the tier.
func (t *Tier) HasRows() bool {
	return slices.ContainsFunc(t.tables, func(e tierTable) bool { return e.HasRows() })
}

// TierTable is the table of a state in a hot tier.
type TierTable interface {
	Table
	// FrozenTier returns the rows that were written in an epoch, as they were at the freeze
	// that ended it, or nil if there are none. Any goroutine may call it.
	FrozenTier(p *Pin, epoch uint32) (FrozenTier, FrozenIndex)
	// Evict examines the next slots, at most the given number, and removes rows that are
	// installed and were not used since they were examined last. It returns the number of
	// rows removed, and false at the last slot: the next call begins at the first one.
	Evict(slots int) (rows int, more bool)
	// Drop removes all rows, whatever they are.
	Drop()
	// HasRows reports whether a row with a value is in the tier.
	HasRows() bool
	// Slack returns the memory of the table in bytes, without what its rows are charged. It is
	// negative if more of its slots are used than a row's charge allows for.
	Slack() int64
}

// FrozenTier is a TierTable at a freeze. As a FrozenTable it has the rows of one epoch only.
type FrozenTier interface {
	FrozenTable
	// Entries calls yield with what must be written below for the row in a slot, given its
	// key group, in the order of composite keys. Key and value are valid until yield returns.
	Entries(slot uint32, group uint16, yield func(op Op, key, value []byte) error) error
}

// Op is an operation on rows below.
type Op uint8

const (
	// OpSet sets the value of a key.
	OpSet Op = 1 + iota
	// OpDelete removes a key.
	OpDelete
	// OpAppend appends a value to the rows under a prefix, as ByteBackend.Append. The key is
	// the prefix.
	OpAppend
	// OpDeletePrefix removes every older row under a prefix. It comes before all other
	// operations on the prefix.
	OpDeletePrefix
)
