package fuzz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// FuzzOperations runs random operations on a hash backend, a B-tree backend and plain maps, with
// snapshots, restores and open views in between, and compares all results.
func FuzzOperations(f *testing.F) {
	seed(f, "no key", []byte("\x02\x01a\x03\x05\x01b\x0a\x01c\x01\x14\x15\x16"))
	seed(f, "every operation", []byte("\x00\x01\x02\x01a\x03\x04\x05\x01b\x06\x02\x01c\x01d\x07\x01\x01e\x08\x09\x0a\x01f\x07\x0b\x01f\x0c\x01f\x0d\x0e\x0f\x02\x01g\x01\x01h\x02\x10\x03\x11\x05\x12\x01i\x13\x01\x02\x02\x03\x14\x00\x05\x15\x00\x05\x16\x00\x09\x17\x18\x19\x1a\x1b"))
	seed(f, "namespaces", []byte("\x00\x03\x01\x01\x05\x01x\x11\x03\x12\x01a\x01\x02\x05\x01y\x11\x04\x12\x01b\x13\x01\x02\x02\x03\x1a\x01\x00\x08"))
	seed(f, "large map", append([]byte("\x00\x01"), largeMap()...))
	seed(f, "views", []byte("\x00\x01\x02\x01a\x18\x02\x01b\x18\x0a\x01f\x07\x18\x04\x0e\x19\x00\x1a\x19\x00\x19\x00"))
	seed(f, "timers", []byte("\x00\x01\x14\x00\x05\x14\x00\x04\x14\x01\x04\x00\x02\x14\x00\x05\x1a\x16\x00\x08\x16\x01\x08"))
	for i := range uint64(8) {
		seed(f, fmt.Sprint("random ", i), randomBytes(i, 1500))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		w := &world{t: t, in: input{program}, model: newModel(),
			jobs: []*job{newJob(t, heapstate.NewHash), newJob(t, heapstate.NewBTree)}}
		for steps := 0; w.in.more() && steps < 500; steps++ {
			w.step()
		}
		w.compareAll()
		for _, v := range w.views {
			v.check(t)
		}
	})
}

// largeMap returns a program that puts enough entries for a map to become a tree, and iterates.
func largeMap() (program []byte) {
	for i := range 70 {
		program = append(program, 0x0A, 2, byte('a'+i%26), byte(i), byte(i))
	}
	return append(program, 0x10, 5, 0x1A, 0x0C, 1, 'a', 0x0D)
}

// world is the state of one program.
type world struct {
	t        *testing.T
	in       input
	model    *model
	jobs     []*job
	views    []openView
	restores int
}

// openView is a view of the hash backend, and the rows that it must have.
type openView struct {
	view snapshot.View
	want []string
}

func (v openView) check(t *testing.T) {
	if !slices.Equal(v.want, content(t, v.view)) {
		t.Fatal("a view changed")
	}
	v.view.Close()
}

// agree runs an operation on both jobs and compares the results with the model. Without a
// current key the result must be "no key".
func (w *world) agree(operationName string, want func() string, operation func(*job) string) {
	expected := "no key"
	if w.model.hasKey {
		expected = want()
	}
	for i, j := range w.jobs {
		if got := operation(j); got != expected {
			w.t.Fatalf("%s: job %d returns %s, the model %s (at %q)", operationName, i, got, expected, w.model.here())
		}
	}
}

// outcome returns the results of an operation as text.
func outcome(err error, values ...any) string {
	switch {
	case errors.Is(err, state.ErrNoKey):
		return "no key"
	case err != nil:
		return err.Error()
	}
	return fmt.Sprintf("%#v", values)
}

func (w *world) name() string {
	return []string{"", "a", "a\x00", "ab", "\x00", "b", "\xff", "long enough not to fit into a prefix"}[w.in.choice(8)]
}

func (w *world) namespaceName() string {
	return []string{"", "n", "n\x00", "nn"}[w.in.choice(4)]
}

// step runs one operation.
func (w *world) step() {
	switch op := w.in.choice(28); {
	case op < 2:
		w.move(op)
	case op < 5:
		w.valueStep(op - 2)
	case op < 10:
		w.listStep(op - 5)
	case op < 17:
		w.mapStep(op - 10)
	case op < 20:
		w.foldStep(op - 17)
	case op < 23:
		w.timerStep(op - 20)
	case op == 23:
		w.keysStep()
	case op < 26:
		w.viewStep(op - 24)
	case w.restores < 4:
		w.restores++
		w.restoreStep(op - 26)
	}
}

func (w *world) move(op int) {
	if op == 0 {
		w.model.key, w.model.hasKey = w.name(), true
	} else {
		w.model.namespace = w.namespaceName()
	}
	w.moveJobs()
}

// moveJobs sets the key and the namespace of both jobs to those of the model.
func (w *world) moveJobs() {
	for _, j := range w.jobs {
		if w.model.hasKey {
			require.NoError(w.t, j.keyed.SetKey(w.model.key))
		}
		j.setNamespace(w.t, w.model.namespace)
	}
}

func (w *world) valueStep(op int) {
	m, v := w.model, w.in.string()
	switch op {
	case 0:
		w.agree("value.Set", func() string { m.value[m.here()] = v; return outcome(nil) },
			func(j *job) string { return outcome(j.value.Set(v)) })
	case 1:
		w.agree("value.Get", func() string { v, ok := m.value[m.here()]; return outcome(nil, v, ok) },
			func(j *job) string { v, ok, err := j.value.Get(); return outcome(err, v, ok) })
	case 2:
		w.agree("value.Clear", func() string { delete(m.value, m.here()); return outcome(nil) },
			func(j *job) string { return outcome(j.value.Clear()) })
	}
}

func (w *world) listStep(op int) {
	m := w.model
	some := func() (s []string) {
		for range w.in.choice(4) {
			s = append(s, w.in.string())
		}
		return s
	}
	switch op {
	case 0:
		e := w.in.string()
		w.agree("list.Add", func() string { m.list[m.here()] = append(m.list[m.here()], e); return outcome(nil) },
			func(j *job) string { return outcome(j.list.Add(e)) })
	case 1:
		s := some()
		w.agree("list.AddAll", func() string {
			if len(s) > 0 {
				m.list[m.here()] = append(m.list[m.here()], s...)
			}
			return outcome(nil)
		}, func(j *job) string { return outcome(j.list.AddAll(s)) })
	case 2:
		s := some()
		w.agree("list.Set", func() string {
			if m.list[m.here()] = slices.Clone(s); len(s) == 0 {
				delete(m.list, m.here())
			}
			return outcome(nil)
		}, func(j *job) string { return outcome(j.list.Set(slices.Clone(s))) })
	case 3:
		w.agree("list.Get", func() string { return outcome(nil, m.list[m.here()]) },
			func(j *job) string { s, err := j.list.Get(); return outcome(err, s) })
		w.agree("list.All", func() string { return outcome(nil, m.list[m.here()]) },
			func(j *job) string { s, err := collect(j.list.All()); return outcome(err, s) })
	case 4:
		w.agree("list.Clear", func() string { delete(m.list, m.here()); return outcome(nil) },
			func(j *job) string { return outcome(j.list.Clear()) })
	}
}

// collect returns all values of an iteration, or its error.
func collect[T any](all func(func(T, error) bool)) (values []T, err error) {
	for v, e := range all {
		if e != nil {
			return nil, e
		}
		values = append(values, v)
	}
	return values, nil
}

func (w *world) mapStep(op int) {
	m, key := w.model, w.in.string()
	switch op {
	case 0:
		v := int32(w.in.byte())
		w.agree("mapping.Put", func() string { m.put(key, v); return outcome(nil) },
			func(j *job) string { return outcome(j.mapping.Put(key, v)) })
	case 1:
		w.agree("mapping.Get", func() string { v, ok := m.mapping[m.here()][key]; return outcome(nil, v, ok) },
			func(j *job) string { v, ok, err := j.mapping.Get(key); return outcome(err, v, ok) })
		w.agree("mapping.Contains", func() string { _, ok := m.mapping[m.here()][key]; return outcome(nil, ok) },
			func(j *job) string { ok, err := j.mapping.Contains(key); return outcome(err, ok) })
	case 2:
		w.agree("mapping.Remove", func() string { m.remove(key); return outcome(nil) },
			func(j *job) string { return outcome(j.mapping.Remove(key)) })
	case 3:
		w.agree("mapping.All", func() string { return m.entries() }, func(j *job) string {
			text := ""
			for e, err := range j.mapping.All() {
				if err != nil {
					return outcome(err)
				}
				text += fmt.Sprintf("%q=%d ", e.Key, e.Value)
			}
			return text
		})
		w.agree("mapping.Len", func() string { n := len(m.mapping[m.here()]); return outcome(nil, n, n == 0) },
			func(j *job) string {
				n, err := j.mapping.Len()
				empty, emptyErr := j.mapping.IsEmpty()
				return outcome(errors.Join(err, emptyErr), n, empty)
			})
	case 4:
		w.agree("mapping.Clear", func() string { delete(m.mapping, m.here()); return outcome(nil) },
			func(j *job) string { return outcome(j.mapping.Clear()) })
	case 5:
		entries := make(map[string]int32)
		for range w.in.choice(4) {
			entries[w.in.string()] = int32(w.in.byte())
		}
		w.agree("mapping.PutAll", func() string {
			for k, v := range entries {
				m.put(k, v)
			}
			return outcome(nil)
		}, func(j *job) string { return outcome(j.mapping.PutAll(entries)) })
	case 6:
		w.iterateMapAndWrite(key, int(w.in.byte()))
	}
}

// iterateMapAndWrite iterates over the mapping and writes to it in the loop: each step must
// return the next entry that the map has at that time.
func (w *world) iterateMapAndWrite(extra string, script int) {
	m := w.model
	write := func(step int, key string, put func(string, int32), remove func(string)) {
		switch (script >> (step % 6)) % 5 {
		case 1:
			remove(key)
		case 2:
			put(key+extra+"x", int32(step))
		case 3:
			put(key, int32(-step))
		case 4:
			remove(extra)
			put("\x00"+extra, 9)
		}
	}
	const steps = 100
	w.agree("mapping.All and writes", func() string {
		text := ""
		key, ok := m.next("", true)
		for step := 0; ok && step < steps; step++ {
			text += fmt.Sprintf("%q=%d ", key, m.mapping[m.here()][key])
			write(step, key, m.put, m.remove)
			key, ok = m.next(key, false)
		}
		return text
	}, func(j *job) string {
		text, step := "", 0
		for e, err := range j.mapping.All() {
			if err != nil {
				return outcome(err)
			}
			if step == steps {
				break
			}
			text += fmt.Sprintf("%q=%d ", e.Key, e.Value)
			write(step, e.Key,
				func(k string, v int32) { require.NoError(w.t, j.mapping.Put(k, v)) },
				func(k string) { require.NoError(w.t, j.mapping.Remove(k)) })
			step++
		}
		return text
	})
}

func (w *world) foldStep(op int) {
	m := w.model
	switch op {
	case 0:
		v := int64(w.in.byte())
		w.agree("sum.Add", func() string { m.sum[m.here()] += v; return outcome(nil) },
			func(j *job) string { return outcome(j.sum.Add(v)) })
	case 1:
		v := w.in.string()
		w.agree("joined.Add", func() string { m.joined[m.here()] += v; return outcome(nil) },
			func(j *job) string { return outcome(j.joined.Add(v)) })
	case 2:
		w.mergeStep()
	}
	w.agree("sum.Get", func() string { v, ok := m.sum[m.here()]; return outcome(nil, v, ok) },
		func(j *job) string { v, ok, err := j.sum.Get(); return outcome(err, v, ok) })
	w.agree("joined.Get", func() string { v, ok := m.joined[m.here()]; return outcome(nil, result(v, ok), ok) },
		func(j *job) string { v, ok, err := j.joined.Get(); return outcome(err, v, ok) })
}

// result returns the result of the state "joined" for its accumulator.
func result(joined string, ok bool) string {
	if !ok {
		return ""
	}
	return "=" + joined
}

func (w *world) mergeStep() {
	m, target := w.model, w.namespaceName()
	var sources []string
	var raw [][]byte
	for range w.in.choice(4) {
		source := w.namespaceName()
		sources, raw = append(sources, source), append(raw, []byte(source))
	}
	w.agree("MergeNamespaces", func() string {
		merge(m, m.list, target, sources, func(a, b []string) []string { return slices.Concat(a, b) })
		merge(m, m.sum, target, sources, func(a, b int64) int64 { return a + b })
		merge(m, m.joined, target, sources, func(a, b string) string { return a + b })
		return outcome(nil)
	}, func(j *job) string {
		return outcome(errors.Join(j.list.MergeNamespaces([]byte(target), raw),
			j.sum.MergeNamespaces([]byte(target), raw), j.joined.MergeNamespaces([]byte(target), raw)))
	})
}

func (w *world) timerStep(op int) {
	m := w.model
	domain := w.in.choice(2)
	d, timestamp := state.Domain(domain), int64(int8(w.in.byte()))
	switch op {
	case 0:
		w.agree("timers.Register", func() string { m.timers[domain][alarm{timestamp, m.here()}] = true; return outcome(nil) },
			func(j *job) string { return outcome(j.timers.Register(d, timestamp, []byte(m.namespace))) })
	case 1:
		w.agree("timers.Delete", func() string { delete(m.timers[domain], alarm{timestamp, m.here()}); return outcome(nil) },
			func(j *job) string { return outcome(j.timers.Delete(d, timestamp, []byte(m.namespace))) })
	case 2:
		w.advance(domain, timestamp)
	}
	for _, j := range w.jobs {
		n, err := j.timers.Len(d)
		require.NoError(w.t, err)
		next, ok, err := j.timers.Next(d)
		require.NoError(w.t, err)
		first, exists := m.first(domain)
		if n != len(m.timers[domain]) || ok != exists || ok && next != first.timestamp {
			w.t.Fatalf("%d timers, the next at %d, %v; the model has %d, %+v", n, next, ok, len(m.timers[domain]), first)
		}
	}
}

// advance fires timers up to now. Every third registers another one, which may be due.
func (w *world) advance(domain int, now int64) {
	m, d := w.model, state.Domain(domain)
	var want []alarm
	for {
		first, ok := m.first(domain)
		if !ok || first.timestamp > now {
			break
		}
		delete(m.timers[domain], first)
		want = append(want, first)
		m.key, m.hasKey = first.key, true
		if first.timestamp%3 == 0 {
			m.timers[domain][alarm{first.timestamp + 2, first.spot}] = true
		}
	}
	for _, j := range w.jobs {
		var got []alarm
		require.NoError(w.t, j.timers.Advance(d, now, func(fired state.Timer[string]) error {
			got = append(got, alarm{fired.Timestamp, spot{fired.Key, string(fired.Namespace)}})
			if fired.Timestamp%3 != 0 {
				return nil
			}
			return j.timers.Register(d, fired.Timestamp+2, fired.Namespace)
		}))
		if !slices.Equal(want, got) {
			w.t.Fatalf("fired %v, want %v", got, want)
		}
	}
}

func (w *world) keysStep() {
	want := w.model.spots()
	for _, j := range w.jobs {
		var got []spot
		for at, err := range j.keyed.KeysAndNamespaces("mapping") {
			require.NoError(w.t, err)
			got = append(got, spot{at.Key, string(at.Namespace)})
		}
		if !slices.Equal(want, got) {
			w.t.Fatalf("keys %q, want %q", got, want)
		}
		keys, err := collect(j.keyed.Keys("mapping", []byte(w.model.namespace)))
		require.NoError(w.t, err)
		var here []string
		for _, s := range want {
			if s.namespace == w.model.namespace {
				here = append(here, s.key)
			}
		}
		if !slices.Equal(here, keys) {
			w.t.Fatalf("keys of a namespace %q, want %q", keys, here)
		}
	}
}

// viewStep opens a view, or checks and closes a random one.
func (w *world) viewStep(op int) {
	switch {
	case op == 0 && len(w.views) < 3:
		v, err := w.jobs[0].backend.View()
		require.NoError(w.t, err)
		w.views = append(w.views, openView{v, contentOf(w.t, w.jobs[1].backend)})
	case op == 1 && len(w.views) > 0:
		i := w.in.choice(len(w.views))
		w.views[i].check(w.t)
		w.views = slices.Delete(w.views, i, i+1)
	}
}

// restoreStep takes snapshots of both jobs, and restores each job from the snapshot of the
// other.
func (w *world) restoreStep(op int) {
	w.compareAll()
	opens := []func(state.Options) (*heapstate.Backend, error){heapstate.NewHash, heapstate.NewBTree}
	var restored []*job
	for i := range w.jobs {
		file, h := takeSnapshot(w.t, w.jobs[1-i].backend, snapshot.Compression(op))
		j := newJob(w.t, opens[i])
		_, err := snapshot.Restore(context.Background(), j.backend, memory{"state": file}, []snapshot.Handle{h}, snapshot.RestoreOptions{})
		require.NoError(w.t, err)
		restored = append(restored, j)
	}
	require.NoError(w.t, w.jobs[0].backend.Close()) // views stay readable
	require.NoError(w.t, w.jobs[1].backend.Close())
	w.jobs = restored
	w.moveJobs()
	w.compareAll()
}

// compareAll compares all states of the jobs with each other and with the model.
func (w *world) compareAll() {
	if !slices.Equal(contentOf(w.t, w.jobs[0].backend), contentOf(w.t, w.jobs[1].backend)) {
		w.t.Fatal("hash and B-tree hold different rows")
	}
	m, j := w.model, w.jobs[0]
	rows := 0
	for _, table := range []int{len(m.value), len(m.list), len(m.sum), len(m.joined), len(m.timers[0]), len(m.timers[1])} {
		rows += table
	}
	for _, entries := range m.mapping {
		rows += len(entries)
	}
	if n := len(contentOf(w.t, j.backend)); n != rows {
		w.t.Fatalf("%d rows, the model has %d", n, rows)
	}
	key, hasKey, namespace, program := m.key, m.hasKey, m.namespace, w.in
	w.in = input{} // reads need no choices
	for _, at := range w.everywhere() {
		m.key, m.hasKey, m.namespace = at.key, true, at.namespace
		w.moveJobs()
		w.valueStep(1)
		w.listStep(3)
		w.mapStep(3)
		w.foldStep(3)
	}
	m.key, m.hasKey, m.namespace, w.in = key, hasKey, namespace, program
	w.moveJobs()
}

// everywhere returns all spots at which the model has a value.
func (w *world) everywhere() []spot {
	m, all := w.model, make(map[spot]bool)
	for s := range m.value {
		all[s] = true
	}
	for s := range m.list {
		all[s] = true
	}
	for s := range m.mapping {
		all[s] = true
	}
	for s := range m.sum {
		all[s] = true
	}
	for s := range m.joined {
		all[s] = true
	}
	var spots []spot
	for s := range all {
		spots = append(spots, s)
	}
	slices.SortFunc(spots, func(a, b spot) int { return strings.Compare(a.key+a.namespace, b.key+b.namespace) })
	return spots
}
