package lsmstate

import (
	"bytes"
	"errors"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// view is a Backend as it was at a snapshot: a view of the tree. It implements snapshot.NativeView
// and backend.KeyView.
//
// Thread safety: one goroutine at a time may call Rows or WriteNative; any number may call Get and
// ScanPrefix.
type view struct {
	keyspace backend.Keyspace
	states   *backend.StateList
	appends  *appendCounters // of the backend
	copies   *LocalCopies
	tree     *tree // nil if the backend was never written to
	view     *lsm.View
	keyed    rangeReader  // of rows of keyed state
	timers   rangeReader  // of timers
	services []backend.ID // ids of the timer services; nil before the first call of Rows
	key      []byte       // scratch
	readers  backend.Readers
}

// View implements snapshot.Backend. It seals the memtable and pins a version of the tree.
func (b *Backend) View() (snapshot.View, error) { return b.newView() }

func (b *Backend) newView() (*view, error) {
	if b.registry.Closed() {
		return nil, backend.ErrClosed
	}
	if err := b.tier.freeze(); err != nil {
		return nil, err
	}
	v := &view{keyspace: b.registry.Keyspace(), states: b.registry.StateList(), copies: b.copies, appends: &b.appends}
	if b.db == nil || !b.written {
		return v, nil
	}
	pinned, err := b.db.View()
	if err != nil {
		return nil, wrapLSMError(err)
	}
	b.tree.retain()
	v.tree, v.view = b.tree, pinned
	v.keyed, v.timers = rangeReader{view: pinned}, rangeReader{view: pinned}
	return v, nil
}

// Keyspace implements snapshot.View.
func (v *view) Keyspace() backend.Keyspace { return v.keyspace }

// States implements snapshot.View.
func (v *view) States() []backend.Info { return v.states.States() }

// Rows implements snapshot.View. In a view the timers of a service are among the other states, in
// the order of ids. The tree has them in other partitions, so Rows merges both.
func (v *view) Rows(group uint16, yield func(key, value []byte) error) error {
	if v.tree == nil {
		return nil
	}
	services := v.timerServices()
	timersBelow := func(id backend.ID, all bool) error {
		for len(services) > 0 && (all || services[0] < id) {
			if err := v.timersOf(group, services[0], yield); err != nil {
				return err
			}
			services = services[1:]
		}
		return nil
	}
	err := v.keyed.rows(partition(group), partition(group+1), func(key, value []byte) error {
		_, id, _, err := backend.SplitHeader(key)
		if err == nil {
			err = timersBelow(id, false)
		}
		if err != nil {
			return err
		}
		return yield(key, value)
	})
	if err != nil {
		return err
	}
	return timersBelow(0, true)
}

// timerServices returns the ids of the timer services, ascending. It finds them at the first call.
func (v *view) timerServices() []backend.ID {
	if v.services == nil {
		v.services = []backend.ID{}
		for _, info := range v.States() {
			if info.Kind == backend.KindTimers {
				v.services = append(v.services, info.ID())
			}
		}
	}
	return v.services
}

// timersOf calls yield with the timers of a service in a key group.
func (v *view) timersOf(group uint16, id backend.ID, yield func(key, value []byte) error) error {
	for _, d := range domains {
		if err := v.timersIn(group, id, d, yield); err != nil {
			return err
		}
	}
	return nil
}

var domains = [...]backend.Domain{backend.EventTime, backend.ProcessingTime}

// timersIn is timersOf for one domain. It yields late timers, then those above the mark, under their
// composite keys.
func (v *view) timersIn(group uint16, id backend.ID, d backend.Domain, yield func(key, value []byte) error) error {
	begin := func(s section) []byte { return appendSection(nil, group, id, s.of(d)) }
	mark, late, timers := begin(markSection), begin(lateSection), begin(timerSection)
	first := timers
	err := v.timers.rows(mark, late, func(_, position []byte) error {
		first = append(bytes.Clone(timers), position...)
		first = append(first, 0) // the smallest key above the mark
		return nil
	})
	yieldTimer := func(key, _ []byte) error {
		v.key = backend.AppendHeader(v.key[:0], group, id)
		v.key = append(append(v.key, byte(d)), key[sectionSize:]...)
		return yield(v.key, nil)
	}
	if err == nil {
		err = v.timers.rows(late, timers, yieldTimer)
	}
	if err == nil {
		err = v.timers.rows(first, begin(timerSection+1), yieldTimer)
	}
	return err
}

// Close implements snapshot.View. If the backend is closed, the last view discards the tree. Close
// drops errors, since nobody needs the tree's files any more.
func (v *view) Close() {
	v.readers.Close(func() {
		if v.tree == nil {
			return
		}
		_ = errors.Join(v.keyed.close(), v.timers.close(), v.view.Close(), v.tree.release())
	})
}

// Scan implements backend.Backend.
func (b *Backend) Scan(id backend.ID, yield func(key, value []byte) error) error {
	if b.registry.Closed() {
		return backend.ErrClosed
	}
	kind, err := b.kindOf(id)
	if err != nil {
		return err
	}
	v, err := b.newView()
	if err != nil {
		return err
	}
	defer v.Close()
	if v.tree == nil {
		return nil
	}
	for group := int(v.keyspace.Groups.First); group <= int(v.keyspace.Groups.Last); group++ {
		if kind == backend.KindTimers {
			err = v.timersOf(uint16(group), id, yield)
		} else {
			err = v.keyed.rows(backend.AppendHeader(nil, uint16(group), id), afterState(uint16(group), id), yield)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// afterState returns the first key after the rows of a state in a key group.
func afterState(group uint16, id backend.ID) []byte {
	if id++; id == 0 {
		return partition(group + 1)
	}
	return backend.AppendHeader(nil, group, id)
}
