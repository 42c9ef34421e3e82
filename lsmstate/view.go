package lsmstate

import (
	"bytes"
	"errors"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// view is a Backend as it was at a snapshot: a view of the tree. It satisfies
// snapshot.NativeView and backend.KeyView.
//
// Thread safety: one reader of rows and tables, in any goroutine; any number of Get and
// ScanPrefix.
type view struct {
	keyspace backend.Keyspace
	states   *backend.StateList
	appends  []slotCount
	copies   *LocalCopies
	tree     *tree // nil if nothing was written
	view     *lsm.View
	keyed    walk
	timers   walk
	services []backend.ID // of timers; nil until they are asked for
	key      []byte       // scratch
	readers  backend.Readers
}

// View implements snapshot.Backend: it seals the tree and pins it.
func (b *Backend) View() (snapshot.View, error) { return b.pin() }

func (b *Backend) pin() (*view, error) {
	if b.registry.Closed() {
		return nil, backend.ErrClosed
	}
	v := &view{keyspace: b.registry.Keyspace(), states: b.registry.StateList(), copies: b.copies}
	if b.db == nil || !b.written {
		return v, nil
	}
	pinned, err := b.db.View()
	if err != nil {
		return nil, ofTree(err)
	}
	v.appends = b.appends.counts()
	b.tree.hold()
	v.tree, v.view = b.tree, pinned
	v.keyed, v.timers = walk{view: pinned}, walk{view: pinned}
	return v, nil
}

// Keyspace implements snapshot.View.
func (v *view) Keyspace() backend.Keyspace { return v.keyspace }

// States implements snapshot.View.
func (v *view) States() []backend.Info { return v.states.States() }

// Rows implements snapshot.View. The tree has timers apart: those of a state go
// before the rows of states with higher ids.
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

// timerServices returns the ids of the timer services, ascending. They are found once, by the
// reader, which asks for each key group.
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

// timersOf calls yield with the timers of a service and a key group.
func (v *view) timersOf(group uint16, id backend.ID, yield func(key, value []byte) error) error {
	for _, d := range domains {
		if err := v.timersIn(group, id, d, yield); err != nil {
			return err
		}
	}
	return nil
}

var domains = [...]backend.Domain{backend.EventTime, backend.ProcessingTime}

// timersIn is timersOf for one domain.
func (v *view) timersIn(group uint16, id backend.ID, d backend.Domain, yield func(key, value []byte) error) error {
	begin := func(s section) []byte { return appendSection(nil, group, id, s.of(d)) }
	mark, late, timers := begin(markSection), begin(lateSection), begin(timerSection)
	first := timers
	err := v.timers.rows(mark, late, func(_, position []byte) error {
		first = append(bytes.Clone(timers), position...)
		first = append(first, 0) // the smallest key above the mark
		return nil
	})
	fire := func(key, _ []byte) error {
		v.key = backend.AppendHeader(v.key[:0], group, id)
		v.key = append(append(v.key, byte(d)), key[sectionSize:]...)
		return yield(v.key, nil)
	}
	if err == nil {
		err = v.timers.rows(late, timers, fire)
	}
	if err == nil {
		err = v.timers.rows(first, begin(timerSection+1), fire)
	}
	return err
}

// Close implements snapshot.View. The last one may have to close the tree, whose
// files nobody needs any more: an error of it harms nobody.
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
	v, err := b.pin()
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

// afterState is the first key behind those of a state in a key group.
func afterState(group uint16, id backend.ID) []byte {
	if id++; id == 0 {
		return partition(group + 1)
	}
	return backend.AppendHeader(nil, group, id)
}
