package statetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/internal/slotindex"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// Tiered is a Bytes with a hot tier, a backend.TieredBackend. At random operations it evicts rows,
// ends an epoch, or installs the oldest epoch that is pending. So programs meet rows in all states.
//
// Thread safety: that of Bytes.
type Tiered struct {
	*Bytes
	tier    *backend.Tier
	random  *rand.Rand
	every   int // average number of operations between two events; 0 for none
	scratch slotindex.Scratch
	pending []*sharedRun
	err     error // of an installation
}

// NewTiered returns an empty backend with the given average number of operations between two events.
func NewTiered(o state.Options, every int, seed uint64) (*Tiered, error) {
	b, err := NewBytes(o, 64)
	if err != nil {
		return nil, err
	}
	t := &Tiered{Bytes: b, random: rand.New(rand.NewPCG(seed, 0)), every: every}
	t.tier = backend.NewTier(b.Registry(), -1, t.mayHappen, func() {}) // each operation is above the limit
	return t, nil
}

// Tier implements backend.TieredBackend.
func (t *Tiered) Tier() *backend.Tier { return t.tier }

// AddTierTable implements backend.TieredBackend.
func (t *Tiered) AddTierTable(info backend.Info, table backend.TierTable) (backend.Index, error) {
	t.tier.Add(info.ID(), table)
	return slotindex.NewHash(table, &t.scratch), nil
}

// MayHold implements backend.TieredBackend. One of four answers that should be false is true.
func (t *Tiered) MayHold(key []byte) bool {
	found := t.random.IntN(4) == 0
	t.rows.AscendGreaterOrEqual(row{key: key}, func(r row) bool {
		found = found || bytes.HasPrefix(r.key, key)
		return false
	})
	return found
}

// mayHappen lets an event happen, or not.
func (t *Tiered) mayHappen() error {
	if t.err != nil || t.every == 0 || t.random.IntN(t.every) > 0 {
		return t.err
	}
	switch t.random.IntN(4) {
	case 0:
		t.tier.Evict(t.tier.Bytes() * t.random.Int64N(4) / 4)
	case 1, 2:
		t.freeze()
	default:
		t.install()
	}
	return t.err
}

// maxPendingRuns is the number of pending epochs after which a freeze installs the oldest one. Each
// makes the first change of a table after a freeze dearer.
const maxPendingRuns = 6

// freeze ends an epoch in which something was written.
func (t *Tiered) freeze() {
	if t.tier.HasWrites() {
		if len(t.pending) == maxPendingRuns {
			t.install()
		}
		frozen, err := t.tier.Freeze()
		if err != nil {
			t.err = err
			return
		}
		run := &sharedRun{TierRun: frozen}
		run.retain()
		t.pending = append(t.pending, run)
	}
}

// errOrder is returned for a run whose entries are not in the order of keys.
var errOrder = errors.New("entries of a tier run are out of order")

// install installs the oldest pending epoch.
func (t *Tiered) install() {
	if len(t.pending) == 0 {
		return
	}
	run := t.pending[0]
	t.pending = t.pending[1:]
	defer run.release()
	if err := run.applyTo(t.Bytes); err != nil {
		t.err = fmt.Errorf("tiered: %w", err)
		return
	}
	t.tier.Install(run.Epoch)
}

// sharedRun is a run that a Tiered and its views use.
type sharedRun struct {
	*backend.TierRun
	mu    sync.Mutex // guards Entries
	users atomic.Int32
}

func (r *sharedRun) retain() { r.users.Add(1) }

// release ends a use of the run. The last one closes it.
func (r *sharedRun) release() {
	if r.users.Add(-1) == 0 {
		r.Close()
	}
}

// applyTo executes the operations of the run.
func (r *sharedRun) applyTo(b *Bytes) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var last []byte
	return r.Entries(func(op backend.Op, key, value []byte) error {
		if bytes.Compare(key, last) < 0 {
			return errOrder
		}
		last = append(last[:0], key...)
		return b.apply(op, key, value)
	})
}

// apply executes an operation of a run.
func (b *Bytes) apply(op backend.Op, key, value []byte) error {
	switch op {
	case backend.OpSet:
		return b.Set(key, value)
	case backend.OpDelete:
		return b.Delete(key)
	case backend.OpAppend:
		return b.Append(key, value)
	case backend.OpDeletePrefix:
		return b.DeletePrefix(key)
	}
	return fmt.Errorf("unknown operation %d", op)
}

// settle installs everything that was written.
func (t *Tiered) settle() error {
	t.freeze()
	for len(t.pending) > 0 && t.err == nil {
		t.install()
	}
	return t.err
}

// Scan implements backend.Backend.
func (t *Tiered) Scan(id state.ID, yield func(key, value []byte) error) error {
	if t.registry.Closed() {
		return state.ErrClosed
	}
	if err := t.settle(); err != nil {
		return err
	}
	return t.Bytes.Scan(id, yield)
}

// View implements snapshot.Backend. The first read of the view applies the pending runs to it.
func (t *Tiered) View() (snapshot.View, error) {
	if t.registry.Closed() {
		return nil, state.ErrClosed
	}
	t.freeze()
	v := &tieredView{
		bytesView: bytesView{keyspace: t.registry.Keyspace(), states: t.registry.StateList(), rows: t.rows.Clone()},
		runs:      slices.Clone(t.pending), chunkBytes: t.chunkBytes,
	}
	for _, run := range v.runs {
		run.retain()
	}
	return v, t.err
}

// tieredView is a view of a Tiered.
type tieredView struct {
	bytesView
	runs       []*sharedRun // pending at the view
	chunkBytes int
	apply      sync.Once
	err        error // of applying the runs
}

// complete applies the runs to the rows, once.
func (v *tieredView) complete() error {
	v.apply.Do(func() {
		defer v.releaseRuns()
		registry, err := backend.NewRegistry(state.Options{})
		rows := &Bytes{registry: registry, rows: v.rows, chunkBytes: v.chunkBytes}
		for _, run := range v.runs {
			if err == nil {
				err = run.applyTo(rows)
			}
		}
		v.err = err
	})
	return v.err
}

func (v *tieredView) releaseRuns() {
	for _, run := range v.runs {
		run.release()
	}
}

// Rows implements snapshot.View.
func (v *tieredView) Rows(group uint16, yield func(key, value []byte) error) error {
	if err := v.complete(); err != nil {
		return err
	}
	return v.bytesView.Rows(group, yield)
}

// Get implements backend.KeyView.
func (v *tieredView) Get(key, dst []byte) (value []byte, ok bool, err error) {
	if err := v.complete(); err != nil {
		return dst, false, err
	}
	return v.bytesView.Get(key, dst)
}

// ScanPrefix implements backend.KeyView.
func (v *tieredView) ScanPrefix(prefix, from []byte, yield func(key, value []byte) error) error {
	if err := v.complete(); err != nil {
		return err
	}
	return v.bytesView.ScanPrefix(prefix, from, yield)
}

// Close implements snapshot.View.
func (v *tieredView) Close() {
	v.apply.Do(v.releaseRuns)
	v.bytesView.Close()
}

// Empty implements snapshot.Backend.
func (t *Tiered) Empty() bool { return t.settle() == nil && t.Bytes.Empty() }

// Load implements snapshot.Backend.
func (t *Tiered) Load(key, value []byte) error {
	t.tier.Drop()
	return t.Bytes.Load(key, value)
}
