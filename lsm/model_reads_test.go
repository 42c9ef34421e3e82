package lsm

import (
	"errors"
	"io"

	"github.com/weirstate/weir/run"
)

// modelView is a view and the state of the store when the view was opened.
type modelView struct {
	*View
	state *modelState
}

// modelScan is an iterator over a snapshot of the store, and the state that it must return.
type modelScan struct {
	*Iterator
	modelPosition
	state *modelState
	to    *string
}

// modelPosition is the expected position of an iterator.
type modelPosition struct {
	from        string // the lowest key that Next may return
	onRow       bool   // the iterator is on a row, whose key is from without its last byte
	beforeFirst bool   // Prev has moved before the first row
}

// modelCursor is an iterator over the live keys of a prefix: it sees later writes.
type modelCursor struct {
	*Iterator
	modelPosition
	prefix string
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// compareValue compares the result of a read with the value in state.
func (w *world) compareValue(what, key string, got []byte, found bool, err error, state *modelState) {
	want, exists := state.get(key)
	switch {
	case exists && int64(len(want)) > w.o.limit():
		if !errors.Is(err, ErrTooLarge) || found {
			w.violate("%s %q: %v of %d bytes, limit %d", what, key, err, len(want), w.o.limit())
		}
	case err != nil || found != exists || string(got) != want:
		w.violate("%s %q: %s, %v, %v instead of %s, %v", what, key, abridged(string(got)), found, err, abridged(want), exists)
	}
}

func (o *modelOptions) limit() int64 {
	if o.MaxValueSize == 0 {
		return MaxValueSize
	}
	return o.MaxValueSize
}

func (w *world) get() {
	key := w.o.key(w.dice)
	w.log("get %q", key)
	got, found, err := w.db.Get([]byte(key), []byte("dst"))
	if string(got[:3]) != "dst" {
		w.violate("get %q: dst has changed", key)
	}
	w.compareValue("get", key, got[3:], found, err, w.model)
	found, err = w.db.Has([]byte(key))
	w.compareHas("has", key, found, err, w.model)
	w.mayHold(key)
}

// mayHold compares the results of MayHold for a key and its prefix with the model: false is certain.
func (w *world) mayHold(key string) {
	prefix := modelPrefix(w.o.Split, key)
	ofPrefix := w.model.within(prefix, text(run.PrefixRange([]byte(prefix)).To), func(key string) bool {
		return modelPrefix(w.o.Split, key) == prefix
	})
	_, exists := w.model.get(key)
	if !exists && !w.db.MayHold([]byte(key)) {
		w.seen.Lacked++
	}
	if exists && !w.db.MayHold([]byte(key)) || len(ofPrefix) > 0 && !w.db.MayHold([]byte(prefix)) {
		w.violate("mayHold %q is false: the key %v, its prefix has %d keys", key, exists, len(ofPrefix))
	}
}

func (w *world) peek() {
	key := w.o.key(w.dice)
	w.log("peek %q", key)
	got, found, err := w.db.Peek([]byte(key))
	w.compareValue("peek", key, got, found, err, w.model)
}

// compareHas compares the result of Has with state.
func (w *world) compareHas(what, key string, got bool, err error, state *modelState) {
	if _, want := state.get(key); got != want || err != nil {
		w.violate("%s %q: %v, %v instead of %v", what, key, got, err, want)
	}
}

func (w *world) floor() {
	key := w.o.key(w.dice)
	w.log("floor %q", key)
	found, value, ok, err := w.db.Floor([]byte(key))
	want, exists := w.model.floor(w.o.Split, key)
	if exists && int64(len(want.value)) > w.o.limit() {
		ok = errors.Is(err, ErrTooLarge) // Floor returns the key also in this case
		err, value = nil, []byte(want.value)
	}
	if err != nil || ok != exists || string(found) != want.key || string(value) != want.value {
		w.violate("floor %q: %q = %s, %v, %v instead of %q = %s", key, found, abridged(string(value)), ok, err, want.key, abridged(want.value))
	}
}

// stream compares a value that do streams, which may exceed MaxValueSize, with state.
func (w *world) stream(what, key string, state *modelState, do func([]byte) (io.ReadCloser, int64, bool, error)) {
	w.log("%s %q", what, key)
	r, size, found, err := do([]byte(key))
	if !w.must(what, err) {
		return
	}
	want, exists := state.get(key)
	if found != exists {
		w.violate("%s %q: %v instead of %v", what, key, found, exists)
		return
	}
	if !found {
		return
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || string(got) != want || size != int64(len(want)) {
		w.violate("%s %q: %s, size %d, %v instead of %s", what, key, abridged(string(got)), size, err, abridged(want))
	}
}

func (w *world) streamStore() {
	w.stream("stream", w.o.key(w.dice), w.model, func(key []byte) (r io.ReadCloser, n int64, found bool, err error) {
		err = w.sealed(func() error {
			r, n, found, err = w.db.Stream(key)
			return err
		})
		return r, n, found, err
	})
}

// bound returns a random bound of a scan; nil, with probability 1/3, means unbounded.
func (w *world) bound() []byte {
	if w.dice.IntN(3) == 0 {
		return nil
	}
	return []byte(w.o.key(w.dice))
}

func (w *world) openScan() {
	from, to := w.bound(), w.bound()
	w.log("scan from %q to %q", from, to)
	var it *Iterator
	w.must("iterator", w.sealed(func() (err error) {
		it, err = w.db.Iterator(from, to)
		return err
	}))
	if it != nil {
		w.keepScan(it, w.model.clone(), from, to)
	}
}

func (w *world) keepScan(it *Iterator, state *modelState, from, to []byte) {
	s := &modelScan{it, modelPosition{from: string(from)}, state, text(to)}
	clear(from) // the iterator must have its own copy
	clear(to)
	w.scans = append(w.scans, s)
	if len(w.scans) > 3 {
		w.must("close a scan", w.scans[0].Close())
		w.scans = w.scans[1:]
	}
	w.moveScan(s)
}

// moveScan sometimes seeks, then takes 1, 3 or 1000 steps.
func (w *world) moveScan(s *modelScan) {
	lowest := string(s.walk.within.From)
	if w.dice.IntN(3) == 0 {
		key := w.o.key(w.dice)
		w.log("  seek %q", key)
		s.from = max(key, lowest)
		if !w.compareNext("seek", s.Seek([]byte(key)), s.Iterator, s.state, &s.modelPosition, s.to, nil) {
			return
		}
	}
	steps := chosen(w.dice, 1, 3, 1000)
	if w.dice.IntN(3) == 0 {
		last := w.dice.IntN(3) == 0
		w.log("  back, last %v", last)
		w.moveBack(last, steps, s.Iterator, s.state, &s.modelPosition, s.to, nil)
		return
	}
	for range steps {
		if !w.compareNext("next", s.Next(), s.Iterator, s.state, &s.modelPosition, s.to, nil) {
			return
		}
	}
}

// moveBack takes steps backward. If last is set, it calls Last first.
func (w *world) moveBack(last bool, steps int, it *Iterator, state *modelState, at *modelPosition, to *string, matches func(string) bool) {
	if last && !w.comparePrev("last", it.Last(), it, state, at, true, to, matches) {
		return
	}
	for range steps {
		if !w.comparePrev("prev", it.Prev(), it, state, at, false, to, matches) {
			return
		}
	}
}

// compareNext compares the position of an iterator with the first row of state from at.from on, and
// moves at.from after that row.
func (w *world) compareNext(what string, ok bool, it *Iterator, state *modelState, at *modelPosition, to *string, matches func(string) bool) bool {
	row, exists := state.next(at.from)
	for exists && matches != nil && !matches(row.key) && (to == nil || row.key < *to) {
		row, exists = state.next(row.key + "\x00")
	}
	exists = exists && (to == nil || row.key < *to)
	return w.comparePosition(what, ok, it, state, at, row, exists)
}

// comparePrev compares the position of an iterator after Last or Prev with the last row of state, or
// with the last row before at.
func (w *world) comparePrev(what string, ok bool, it *Iterator, state *modelState, at *modelPosition, last bool, to *string, matches func(string) bool) bool {
	lowest := string(it.walk.within.From)
	var rows []modelRow
	switch {
	case last || !at.onRow && !at.beforeFirst:
		rows = state.within(lowest, to, matches)
	case at.onRow:
		key := at.from[:len(at.from)-1]
		rows = state.within(lowest, &key, matches)
	}
	if len(rows) == 0 {
		at.from = lowest
		w.comparePosition(what, ok, it, state, at, modelRow{}, false)
		at.beforeFirst = true
		return false
	}
	return w.comparePosition(what, ok, it, state, at, rows[len(rows)-1], true)
}

// comparePosition compares the current row of an iterator with row, and moves at to row.
func (w *world) comparePosition(what string, ok bool, it *Iterator, state *modelState, at *modelPosition, row modelRow, exists bool) bool {
	at.onRow, at.beforeFirst = ok, false
	if ok != exists || it.Err() != nil {
		w.violate("%s (live %v, memory %v, backward %v, from %q) returned %v at %q, %v; the model has %v at %q", what, it.walk.cursor.on, it.walk.memory, it.walk.backward, it.walk.from, ok, it.Key(), it.Err(), exists, row.key)
		return false
	}
	if !ok {
		return false
	}
	if string(it.Key()) != row.key || it.ValueSize() != int64(len(row.value)) {
		w.violate("%s: %q with %d bytes instead of %q with %d", what, it.Key(), it.ValueSize(), row.key, len(row.value))
		return false
	}
	at.from = row.key + "\x00"
	got, err := it.Value()
	w.compareValue(what, row.key, got, err == nil, err, state)
	return true
}

func (w *world) openView() {
	w.log("view")
	var v *View
	if !w.must("view", w.sealed(func() (err error) { v, err = w.db.View(); return err })) {
		return
	}
	w.views = append(w.views, &modelView{v, w.model.clone()})
	if len(w.views) > 3 {
		i := w.dice.IntN(3)
		w.must("close a view", w.views[i].Close())
		w.views = append(w.views[:i], w.views[i+1:]...)
	}
}

// useViews reads from each view by Get, Stream or a scan.
func (w *world) useViews() {
	for i, v := range w.views {
		w.log("view %d", i)
		switch w.dice.IntN(3) {
		case 0:
			for range 5 {
				key := w.o.key(w.dice)
				got, found, err := v.Get([]byte(key), nil)
				w.compareValue("get of a view", key, got, found, err, v.state)
				found, err = v.Has([]byte(key))
				w.compareHas("has of a view", key, found, err, v.state)
			}
		case 1:
			w.stream("stream of a view", w.o.key(w.dice), v.state, v.Stream)
		case 2:
			from, to := w.bound(), w.bound()
			w.log("  scan from %q to %q", from, to)
			it, err := v.Iterator(from, to)
			if w.must("iterator of a view", err) {
				w.keepScan(it, v.state, from, to)
			}
		}
	}
}

func (w *world) useScans() {
	for i, s := range w.scans {
		w.log("scan %d continues", i)
		w.moveScan(s)
	}
}

func (w *world) openCursor() {
	prefix := w.o.prefix(w.dice)
	w.log("prefix %q", prefix)
	buffer := []byte(prefix)
	it, err := w.db.Prefix(buffer)
	if w.o.Split.Func([]byte(prefix)) != len(prefix) {
		if !errors.Is(err, ErrRange) {
			w.violate("prefix %q: %v", prefix, err)
		}
		return
	}
	if !w.must("prefix", err) {
		return
	}
	clear(buffer)
	w.cursors = append(w.cursors, &modelCursor{it, modelPosition{from: prefix}, prefix})
	if len(w.cursors) > 3 {
		w.must("close a cursor", w.cursors[0].Close())
		w.cursors = w.cursors[1:]
	}
}

// useCursors moves each cursor and compares it with the current model, since cursors see later
// writes.
func (w *world) useCursors() {
	for i, c := range w.cursors {
		to := text(run.PrefixRange([]byte(c.prefix)).To)
		matches := func(key string) bool { return modelPrefix(w.o.Split, key) == c.prefix }
		if w.dice.IntN(6) == 0 {
			key := chosen(w.dice, w.o.key(w.dice), c.prefix+"b")
			w.log("cursor %d: seek %q", i, key)
			c.from = max(key, c.prefix)
			w.compareNext("seek of a cursor", c.Seek([]byte(key)), c.Iterator, w.model, &c.modelPosition, to, matches)
		}
		n := w.dice.IntN(3)
		if back := w.dice.IntN(6); back < 2 {
			w.log("cursor %d: back, %d times, last %v", i, n, back == 0)
			w.moveBack(back == 0, n, c.Iterator, w.model, &c.modelPosition, to, matches)
			continue
		}
		w.log("cursor %d: next, %d times", i, n)
		for range n {
			w.compareNext("next of a cursor", c.Next(), c.Iterator, w.model, &c.modelPosition, to, matches)
		}
	}
}

// storeRows returns all rows of a store.
func storeRows(db *DB) (rows []modelRow, err error) {
	it, err := db.Iterator(nil, nil)
	if err != nil {
		return nil, err
	}
	for it.Next() {
		value, err := io.ReadAll(it.ValueReader())
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		rows = append(rows, modelRow{string(it.Key()), string(value)})
	}
	return rows, errors.Join(it.Err(), it.Close())
}

// checkGaps checks that the model has no key in any gap that the store remembers.
func (w *world) checkGaps() {
	w.db.lock.Lock()
	defer w.db.lock.Unlock()
	sum := int64(0)
	for _, prefixGaps := range w.db.gaps.ByPrefix {
		sum += prefixGaps.Bytes
		before := ""
		for _, x := range prefixGaps.Gaps {
			w.seen.Gaps++
			in := w.model.within(string(x.First), text(x.To), func(key string) bool { return modelPrefix(w.o.Split, key) == string(prefixGaps.Prefix) })
			if len(in) > 0 || string(x.First) < before || string(x.To) <= string(x.First) {
				w.violate("gap from %q to %q, after %q, has %d keys", x.First, x.To, before, len(in))
			}
			before = string(x.To)
		}
	}
	if sum != w.db.gaps.Bytes {
		w.violate("gaps of %d bytes are counted as %d", sum, w.db.gaps.Bytes)
	}
}

// compareAll compares all rows of the store with the model.
func (w *world) compareAll() {
	w.checkGaps()
	var rows []modelRow
	if w.must("read all", w.sealed(func() (err error) { rows, err = storeRows(w.db); return err })) {
		if d := w.model.difference(rows); d != "" {
			w.violate("the store differs from the model: %s", d)
		}
	}
}
