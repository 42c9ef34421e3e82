package state

import (
	"math/bits"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/backend"
)

// tierTable is the table of a state in a hot tier: some of the state's rows, decoded. R is a row's
// value with its marks: what is known of the rows below.
//
// A freeze must find the rows of its epoch without a scan of all rows. So each page of 64 slots has
// the epoch of its newest write, and a frozen table skips the pages of other epochs.
//
// Eviction is by second chance (Corbató, A Paging Experiment with the Multics System, 1969): a hand
// moves over the slots and removes rows that were not used since it last came by.
//
// Invariant: a row whose mark was written in the current epoch is in a page of the current epoch.
//
// Thread safety: the task's goroutine only.
type tierTable[K, R any] struct {
	table[K, R]
	tier   *backend.Tier
	below  backend.TieredBackend
	format tierFormat[R]

	pages    cow.Array[uint32] // by page: the newest epoch in which one of its rows was written
	newest   uint32            // the newest epoch in pages
	recent   []uint64          // bit i of element n: row 64n+i was used since the hand came by
	hand     uint32            // the slot that Evict examines next
	drops    uint64            // incremented when rows, or parts of one, are removed that are still below
	rowBytes tierRowBytes

	unswept uint32 // slots that sweep must still examine for the rows that were inserted
	broom   uint32 // the slot that sweep examines next
}

// tierFormat knows the rows R of a tierTable.
//
// Thread safety: entries is called by the goroutine that encodes a freeze, while the task calls
// the other methods.
type tierFormat[R any] interface {
	// mark returns the mark of the row: for lists and maps, that of the newest write.
	mark(r *R) *mark
	// size returns the memory that the row's value refers to, in bytes.
	size(r *R) int64
	// entries calls yield with the operations that bring the rows below from the end of the
	// epoch before to that of the given epoch, in which the row was written. On entry b.key
	// holds the composite key without suffix.
	entries(r *R, epoch uint32, b *rowBuffer, yield func(op backend.Op, key, value []byte) error) error
}

// tierOf returns the backend if states with these codecs can be in its hot tier. A codec without a
// known normal form cannot: only its decoded encoding is what a later read must return.
func tierOf(b backend.Backend, canonical ...bool) (backend.TieredBackend, bool) {
	tiered, ok := b.(backend.TieredBackend)
	if !ok || tiered.Tier() == nil {
		return nil, false
	}
	for _, is := range canonical {
		ok = ok && is
	}
	return tiered, ok
}

// tierTableOf declares a state in a hot tier and returns a handle of its table.
func tierTableOf[K, R any](k *Keyed[K], b backend.TieredBackend, info backend.Info, f tierFormat[R]) (tierHandle[K, R], error) {
	storage, err := bindingOf(k.registry).Declare(info, func(info *backend.Info) (any, error) {
		if err := b.AddState(*info); err != nil {
			return nil, err
		}
		t := &tierTable[K, R]{tier: b.Tier(), below: b, format: f}
		t.init(k, info, t.freezeUnit)
		t.pages = cow.NewArray[uint32](t.unit)
		t.rowBytes = tierRowBytesOf[row[K, R]]()
		index, err := b.AddTierTable(*info, t)
		t.index = index
		return t, err
	})
	if err != nil {
		return tierHandle[K, R]{}, err
	}
	t, ok := storage.(*tierTable[K, R])
	if !ok {
		return tierHandle[K, R]{}, errOtherTypes(info.Name)
	}
	return tierHandle[K, R]{heapHandle: heapHandle[K, R]{keyed: k, table: &t.table}, rows: t}, nil
}

// Rearrange implements backend.Table. It takes moved rows to be written in this epoch.
func (t *tierTable[K, R]) Rearrange(from, to []uint32) {
	t.table.Rearrange(from, to)
	for _, slot := range to {
		t.touch(slot)
	}
}

// touch records a write to the row in a slot.
func (t *tierTable[K, R]) touch(slot uint32) {
	if page := slot / 64; t.pages.Get(page) != t.tier.Epoch() {
		*t.pages.Mutable(page) = t.tier.Epoch()
		t.newest = t.tier.Epoch()
	}
}

// use records a read of the row in a slot.
func (t *tierTable[K, R]) use(slot uint32) {
	at := int(slot / 64)
	if at >= len(t.recent) {
		t.recent = append(t.recent, make([]uint64, at+1-len(t.recent))...)
	}
	t.recent[at] |= 1 << (slot % 64)
}

// admit inserts the probed row with what was read from below. The table must not have the row.
func (t *tierTable[K, R]) admit(r R) error {
	into, err := t.insertRow()
	if err == nil {
		*into = r
		t.tier.Charge(t.format.size(into))
	}
	return err
}

// insertRow inserts the probed row with a zero value, for writing.
func (t *tierTable[K, R]) insertRow() (*R, error) {
	r, err := t.put()
	if err == nil {
		t.tier.Charge(t.charge(t.probedBy.encoded))
		t.use(t.lastSeek.slot)
		t.unswept += sweptPerRow
	}
	return r, err
}

const (
	// sweptPerRow is the number of slots that sweep examines for each row that is inserted. At
	// least 7/16 of the slots of a full index are used, so that sweep examines more rows than are
	// inserted, and rows that are known to be missing cannot outgrow the others.
	sweptPerRow = 4
	// sweptAtOnce is the number of slots that one call of sweep examines.
	sweptAtOnce = 64
)

// sweep removes rows that say that nothing is below and that were not used for some time. Without it,
// reads of new keys would fill the tier with them until an eviction.
func (t *tierTable[K, R]) sweep() {
	t.unswept -= sweptAtOnce
	if t.broom >= t.slots {
		t.broom = 0
	}
	for end := min(t.broom+sweptAtOnce, t.slots); t.broom < end; t.broom++ {
		slot := t.broom
		if t.holds(slot) && t.format.mark(&t.rows.At(slot).value).isMissing(t.tier) && !t.wasUsed(slot) {
			t.drop(slot)
		}
	}
}

// Evict implements backend.TierTable.
func (t *tierTable[K, R]) Evict(slots int) (rows int, more bool) {
	for range slots {
		if t.hand >= t.slots {
			t.hand = 0
			return rows, false
		}
		slot := t.hand
		t.hand++
		if t.holds(slot) && t.tier.IsInstalled(t.format.mark(&t.rows.At(slot).value).written) && !t.wasUsed(slot) {
			t.drop(slot)
			rows++
		}
	}
	return rows, true
}

// holds reports whether a slot holds a row.
func (t *tierTable[K, R]) holds(slot uint32) bool { return t.used.Get(slot/64)>>(slot%64)&1 != 0 }

// wasUsed reports whether a row was used since the last call for it.
func (t *tierTable[K, R]) wasUsed(slot uint32) bool {
	at, bit := int(slot/64), uint64(1)<<(slot%64)
	if at >= len(t.recent) || t.recent[at]&bit == 0 {
		return false
	}
	t.recent[at] &^= bit
	return true
}

// drop removes the row in a slot from the tier, but not the rows below.
func (t *tierTable[K, R]) drop(slot uint32) {
	t.changes++
	t.drops++
	t.unit.Touch()
	hash := t.Hash(slot) // sets t.key
	size := t.charge(t.key) + t.format.size(&t.rows.At(slot).value)
	t.index.Delete(hash, slot)
	t.namespaces.release(t.clearSlot(slot).namespaceID)
	t.len--
	t.probedBy = nil // it may be the row that was found last
	t.tier.Charge(-size)
}

// Drop implements backend.TierTable.
func (t *tierTable[K, R]) Drop() {
	for slot := range t.slots {
		if t.holds(slot) {
			t.drop(slot)
		}
	}
}

// HasRows implements backend.TierTable.
func (t *tierTable[K, R]) HasRows() bool {
	for slot := range t.slots {
		if t.holds(slot) && !t.format.mark(&t.rows.At(slot).value).absent {
			return true
		}
	}
	return false
}

// frozenTierRows is a tierTable with its index as a freeze sees them.
type frozenTierRows[K, R any] struct {
	frozenRows[K, R]
	pages  cow.Frozen[uint32]
	newest uint32
}

// freezeUnit is heapTable.freezeUnit for tables of a tier.
func (t *tierTable[K, R]) freezeUnit() any {
	return frozenTierRows[K, R]{t.frozenRows(nil, nil), t.pages.Freeze(), t.newest}
}

// FrozenTier implements backend.TierTable.
func (t *tierTable[K, R]) FrozenTier(p *backend.Pin, epoch uint32) (backend.FrozenTier, backend.FrozenIndex) {
	frozen, ok := p.Of(t.unit).(frozenTierRows[K, R])
	if !ok || frozen.newest < epoch {
		return nil, nil
	}
	return &frozenTier[K, R]{
		frozenTable: frozenTable[K, R]{frozenRows: frozen.frozenRows},
		name:        t.info.Name, format: t.format, pages: frozen.pages, epoch: epoch,
	}, t.index.Freeze()
}

// frozenTier is a tierTable at a freeze: the rows that were written in the epoch that it ended.
type frozenTier[K, R any] struct {
	frozenTable[K, R]
	name   string // of the state
	format tierFormat[R]
	pages  cow.Frozen[uint32]
	epoch  uint32
}

// Groups implements backend.FrozenTable. It takes the slots of rows of other epochs to be free.
func (f *frozenTier[K, R]) Groups(first uint32, groups []uint16) {
	for at := 0; at < len(groups); at += 64 {
		page := groups[at:min(at+64, len(groups))]
		for i := range page {
			page[i] = MaxKeyGroups
		}
		base := first + uint32(at)
		if f.pages.Get(base/64) < f.epoch { // an earlier epoch
			continue
		}
		var slots [64]uint32
		n := 0
		for used := f.used.Get(base / 64); used != 0; used &= used - 1 {
			slot := base + uint32(bits.TrailingZeros64(used))
			if f.format.mark(&f.rows.At(slot).value).written == f.epoch {
				slots[n] = slot
				n++
			}
		}
		f.eachKey(slots[:n], func(i int, encoded []byte) {
			page[slots[i]-base] = f.groupOf(slots[i], encoded)
		})
	}
}

// Reader implements backend.FrozenTable.
func (f *frozenTier[K, R]) Reader() backend.FrozenTable {
	return &frozenTier[K, R]{frozenTable[K, R]{frozenRows: f.frozenRows}, f.name, f.format, f.pages, f.epoch}
}

// Entries implements backend.FrozenTier. It adds the name of the state to each error.
func (f *frozenTier[K, R]) Entries(slot uint32, group uint16, yield func(op backend.Op, key, value []byte) error) error {
	key, _, _ := f.gatheredRow(slot, group)
	f.row.key = append(f.row.key[:0], key...)
	return wrapState(f.name, f.format.entries(&f.rows.At(slot).value, f.epoch, &f.row, yield))
}
