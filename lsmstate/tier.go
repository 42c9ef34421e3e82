package lsmstate

import (
	"bytes"
	"context"
	"fmt"

	"github.com/weirstate/weir/internal/slotindex"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/state/backend"
)

// hotTier connects the hot tier of a backend with its tree.
//
// A freeze seals the memtable of the tree and puts a run of its own after it (lsm.DB.SealWith). The
// flusher of the tree encodes the rows of the epoch when it writes that run to a table. So runs of
// memtables and of the tier reach the tree in the order of time, and a view that was opened after
// the freeze has both.
//
//	tree's runs   memtable n │ tier, epoch 7: n+1 │ memtable n+2 │ tier, epoch 8: n+3 │ ...
//	                         └ freeze of epoch 7                 └ freeze of epoch 8
//
// A freeze comes with each view, and when the tier is above its limit and too few of its rows are
// installed: that is a spill.
//
// Invariant: pending has the epochs whose runs may not be in the tree yet, oldest first, at most
// maxPending.
//
// Thread safety: the task's goroutine only. A nil *hotTier is a tier that is off.
type hotTier struct {
	tier    *backend.Tier
	backend *Backend
	memory  tierMemory
	scratch slotindex.Scratch
	pending []pendingEpoch
	failed  error // a freeze has failed, and its writes are in no run
}

// pendingEpoch is an epoch with the number of its run.
type pendingEpoch struct {
	epoch  uint32
	number uint64
}

// newHotTier returns the tier of a backend. Its rows may take exact bytes, or a part of the budget of
// the tree if exact is 0.
func newHotTier(b *Backend, exact int64) *hotTier {
	t := &hotTier{backend: b}
	t.tier = backend.NewTier(b.registry, 0, t.makeRoom, t.refresh)
	t.memory = tierMemory{tier: t.tier, exact: exact}
	return t
}

// open begins to use a tree.
func (t *hotTier) open(db *lsm.DB) {
	if t != nil {
		t.memory.open(db.Budget())
	}
}

// close ends the use of the tree.
func (t *hotTier) close() {
	if t != nil {
		t.memory.close()
	}
}

// Tier implements backend.TieredBackend.
func (b *Backend) Tier() *backend.Tier {
	if b.tier == nil {
		return nil
	}
	return b.tier.tier
}

// AddTierTable implements backend.TieredBackend.
func (b *Backend) AddTierTable(info backend.Info, t backend.TierTable) (backend.Index, error) {
	b.tier.tier.Add(info.ID(), t)
	return slotindex.NewHash(t, &b.tier.scratch), nil
}

// MayHold implements backend.TieredBackend.
func (b *Backend) MayHold(key []byte) bool { return b.db == nil || b.db.MayHold(key) }

// freeze ends the epoch if something was written in it, and gives its rows to the tree.
func (t *hotTier) freeze() error {
	if t == nil || t.failed != nil || !t.tier.HasWrites() && !t.backend.timersWritten() {
		return t.failure()
	}
	db, err := t.backend.writable()
	if err != nil {
		return err
	}
	if t.refresh(); len(t.pending) >= maxPending {
		if err := t.waitFor(t.pending[0]); err != nil {
			return err
		}
	}
	rows, err := t.tier.Freeze()
	if err != nil {
		return fmt.Errorf("lsmstate: %w", err)
	}
	source := &tierSource{run: rows, timers: t.backend.freezeTimers(rows.Epoch), appends: &t.backend.appends}
	number, err := db.SealWith(source)
	if err != nil {
		source.Close()
		t.failed = fmt.Errorf("freeze of the hot tier: %w", wrapLSMError(err))
		return t.failed
	}
	t.pending = append(t.pending, pendingEpoch{source.run.Epoch, number})
	t.tier.SetLimit(0) // renews the claim: it may be above its limit
	return nil
}

// maxPending is the number of pending epochs at which a freeze waits for the oldest one. Each keeps the
// pages that were written since, so while runs cannot be written, further snapshots must fail instead
// of taking more memory. Usually one or two are pending: that of a snapshot and that of a spill.
const maxPending = 8

// failure returns failed.
func (t *hotTier) failure() error {
	if t == nil {
		return nil
	}
	return t.failed
}

// refresh installs the epochs whose runs are in the tree.
func (t *hotTier) refresh() {
	if len(t.pending) == 0 || t.backend.db == nil {
		return
	}
	flushed := t.backend.db.FlushedRun()
	for len(t.pending) > 0 && t.pending[0].number <= flushed {
		t.tier.Install(t.pending[0].epoch)
		t.backend.timersInstalled(t.pending[0].epoch)
		t.pending = t.pending[1:]
	}
}

const (
	// evictShare: an eviction continues until 1/8 of the limit is free, so that it is rare.
	evictShare = 8
	// dirtyShare: a spill begins when the tier is nearly full and half of it was written since the
	// last freeze. So it ends before nothing else can be evicted.
	dirtyShare = 2
	// spillShare: while a spill is pending, the tier may exceed its limit by a quarter. Above
	// that, writes wait.
	spillShare = 4
	// retryShare: an eviction that could not free enough is tried again after growth by 1/16
	// of the limit.
	retryShare = 16
)

// makeRoom evicts rows if the tier is above its limit. If too few rows are installed, it begins a
// spill, and waits for it if the tier is far above its limit.
func (t *hotTier) makeRoom() error {
	t.refresh()
	limit, growth := t.memory.renew()
	target := limit - limit/evictShare
	if t.tier.Bytes() > target && t.tier.Dirty() > limit/dirtyShare {
		if err := t.spill(); err != nil {
			return err
		}
	}
	t.tier.SetDirtyLimit(limit / dirtyShare)
	if t.tier.Bytes() > limit && !t.evict(target) {
		if err := t.spill(); err != nil {
			return err
		}
		if t.tier.Bytes() <= limit+limit/spillShare {
			t.tier.SetLimit(t.tier.Bytes() + limit/retryShare)
			return nil
		}
		if err := t.wait(); err != nil {
			return err
		}
		t.evict(target)
	}
	t.tier.SetLimit(min(limit, t.tier.Bytes()+growth))
	return nil
}

// evict evicts rows and timers until the tier takes at most a number of bytes. It reports whether it
// does. Timers leave in proportion to their number, and rows make up for those that cannot.
func (t *hotTier) evict(bytes int64) bool {
	if excess := t.tier.Bytes() - bytes; excess > 0 {
		t.backend.evictTimers(float64(excess) / float64(t.tier.Bytes()))
	}
	return t.tier.Evict(bytes)
}

// spill freezes the tier unless a run is pending.
func (t *hotTier) spill() error {
	if len(t.pending) > 0 {
		return nil
	}
	return t.freeze()
}

// wait waits until all that was written is in the tree.
func (t *hotTier) wait() error {
	if err := t.freeze(); err != nil || len(t.pending) == 0 {
		return err
	}
	return t.waitFor(t.pending[len(t.pending)-1])
}

// waitFor waits until an epoch is in the tree. It returns the error of a flush that fails.
func (t *hotTier) waitFor(e pendingEpoch) error {
	if err := t.backend.db.WaitFlushed(context.Background(), e.number); err != nil {
		return wrapLSMError(err)
	}
	t.refresh()
	return nil
}

// hasRows reports whether a row with a value is in the tier.
func (t *hotTier) hasRows() bool { return t != nil && t.tier.HasRows() }

// drop drops all rows, before a restore writes rows to the tree.
func (t *hotTier) drop() {
	if t != nil && t.tier.Bytes() > 0 {
		t.tier.Drop()
	}
}

// tierSource is the rows and timers of one epoch as a run of the tree. It implements lsm.Source.
type tierSource struct {
	run     *backend.TierRun
	timers  frozenTimers
	appends *appendCounters
}

// Entries implements lsm.Source.
func (s *tierSource) Entries(add func(*run.Entry) error) error {
	var row, list []byte // key of the list's row that was added last, and the list's prefix
	err := s.run.Entries(func(op backend.Op, key, value []byte) error {
		e := run.Entry{Key: key, Kind: kindOf[op], Value: run.Value{Bytes: value}}
		if op == backend.OpAppend {
			if bytes.Equal(key, list) { // a run has one entry of a key
				s.appends.endRow(key)
			}
			list = append(list[:0], key...)
			row = s.appends.appendRow(row[:0], key, len(value))
			e.Key = row
		}
		return add(&e)
	})
	if err != nil {
		return err
	}
	return s.timers.entries(add) // their partitions are above those of rows
}

// kindOf holds the kind of entry for each operation.
var kindOf = [...]run.Kind{
	backend.OpSet: run.Set, backend.OpDelete: run.Delete, backend.OpAppend: run.Append, backend.OpDeletePrefix: run.DeletePrefix,
}

// Close implements lsm.Source.
func (s *tierSource) Close() {
	s.run.Close()
	s.timers.close()
}

var _ lsm.Source = (*tierSource)(nil)
