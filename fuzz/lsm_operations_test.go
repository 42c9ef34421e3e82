package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/memtable/btreetable"
	"github.com/weirstate/weir/vfs/vfstest"
)

// FuzzLsmOperations runs random operations on a store with random options, and compares the
// results with a sorted map.
func FuzzLsmOperations(f *testing.F) {
	seed(f, "nothing", []byte{})
	seed(f, "every operation", []byte("\x01\x01\x01\x01\x01\x01\x01\x01\x00\x01\x05one\x02\x01\x05two\x03\x02\x04\x00\x05\x00\x01\x06\x00\x02\x07\x00\x08\x09\x01\x0a\x01\x0b\x0c\x0d\x0e\x02\x01\x03x\x0f\x10\x00\x01\x05one"))
	for i := range uint64(8) {
		seed(f, fmt.Sprint("random ", i), randomBytes(i+100, 400))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		s := &storeProgram{t: t, in: input{program}, rows: map[string]string{}}
		s.begin()
		for steps := 0; s.in.more() && steps < maxSteps; steps++ {
			s.step()
		}
		s.verify(s.db, s.rows)
		require.NoError(t, s.db.Close())
	})
}

// maxSteps limits the steps of a program, so that the fuzzer tries many programs.
const maxSteps = 30

// lsmBudget is shared by all programs: allocating its memory takes longer than a program.
var lsmBudget = lsm.NewBudget(4 << 20)

// storeProgram is a store and a map with the rows that the store must have.
type storeProgram struct {
	t      *testing.T
	in     input
	o      lsm.Options
	db     *lsm.DB
	rows   map[string]string
	copies int
}

// lsmSplits are the split functions to choose from.
var lsmSplits = []lsm.Split{lsm.WholeKey, {Name: "slash", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, '/'); i >= 0 {
		return i + 1
	}
	return len(key)
}}}

func (s *storeProgram) begin() {
	in := &s.in
	s.o = lsm.Options{
		FS: vfstest.NewMem(vfstest.MemOptions{}), Split: lsmSplits[in.choice(2)], PartitionBytes: in.choice(2),
		Log: lsm.LogMode(in.choice(4)), Budget: lsmBudget, MemtableBytes: []int64{0, 20, 300}[in.choice(3)],
		BlockBytes: []int{0, 512}[in.choice(2)], FileBytes: []int64{0, 1, 200}[in.choice(3)], FilterBits: in.choice(3) - 1,
		Picker:      []lsm.Picker{lsm.NewLeveled(), lsm.NewTiered(2)}[in.choice(2)],
		NewMemtable: []func(memtable.Options) memtable.Table{memtable.NewHash, btreetable.New}[in.choice(2)],
	}
	s.open("db")
}

func (s *storeProgram) open(dir string) {
	db, err := lsm.Open(context.Background(), dir, s.o)
	require.NoError(s.t, err)
	s.db = db
}

// key returns a key that is long enough for a partition.
func (s *storeProgram) key() string {
	prefixes := []string{"a", "a/", "b/", "\xff/", "\x00"}
	return prefixes[s.in.choice(5)] + []string{"", "x", "y\x00", "\xff"}[s.in.choice(4)]
}

func (s *storeProgram) prefixOf(key string) string { return key[:s.o.Split.Func([]byte(key))] }

func (s *storeProgram) drop(which func(key string) bool) {
	maps.DeleteFunc(s.rows, func(key, _ string) bool { return which(key) })
}

func (s *storeProgram) step() {
	switch op := s.in.choice(16); {
	case op < 7:
		s.write(op)
	case op < 12:
		s.read(op)
	default:
		s.maintain(op)
	}
}

func (s *storeProgram) write(op int) {
	key, value := s.key(), s.in.string()
	var err error
	switch op {
	case 0, 1:
		s.rows[key] = value
		err = s.db.Put([]byte(key), []byte(value))
	case 2:
		s.rows[key] += value
		err = s.db.Append([]byte(key), []byte(value))
	case 3:
		delete(s.rows, key)
		err = s.db.Delete([]byte(key))
	case 4:
		prefix := s.prefixOf(key)
		s.drop(func(k string) bool { return s.prefixOf(k) == prefix })
		err = s.db.DeletePrefix([]byte(prefix))
	case 5:
		from, to := key[:s.o.PartitionBytes], []byte(s.key()[:s.o.PartitionBytes])
		if len(to) == 0 {
			to = nil
		}
		err = s.db.DeleteRange([]byte(from), to)
		if to != nil && from >= string(to) {
			require.ErrorIs(s.t, err, lsm.ErrRange)
			return
		}
		s.drop(func(k string) bool { return k >= from && (to == nil || k < string(to)) })
	case 6:
		other, prefix := s.key(), s.prefixOf(key)
		var b lsm.Batch
		b.Append([]byte(other), []byte(value))
		b.DeletePrefix([]byte(prefix))
		b.Append([]byte(key), []byte(value))
		s.rows[other] += value
		s.drop(func(k string) bool { return s.prefixOf(k) == prefix })
		s.rows[key] += value
		err = s.db.Apply(&b)
	}
	require.NoError(s.t, err)
}

func (s *storeProgram) read(op int) {
	key := s.key()
	want, exists := s.rows[key]
	switch op {
	case 7:
		got, found, err := s.db.Get([]byte(key), nil)
		require.NoError(s.t, err)
		require.Equal(s.t, exists, found)
		require.Equal(s.t, want, string(got))
	case 8:
		got, found, err := s.db.Peek([]byte(key))
		require.NoError(s.t, err)
		require.Equal(s.t, exists, found)
		require.Equal(s.t, want, string(got))
	case 9:
		s.verify(s.db, s.rows)
	case 10:
		s.iterateAndWrite(s.prefixOf(key))
	case 11:
		s.writeUnderAView()
	}
}

// iterateAndWrite iterates over a prefix and writes between two steps: each step must return
// the next row that the map has at that time.
func (s *storeProgram) iterateAndWrite(prefix string) {
	it, err := s.db.Prefix([]byte(prefix))
	require.NoError(s.t, err)
	for from := prefix; ; {
		next, ok := "", false
		for _, k := range slices.Sorted(maps.Keys(s.rows)) {
			if k >= from && s.prefixOf(k) == prefix {
				next, ok = k, true
				break
			}
		}
		require.Equal(s.t, ok, it.Next())
		if !ok {
			break
		}
		require.Equal(s.t, next, string(it.Key()))
		value, err := it.Value()
		require.NoError(s.t, err)
		require.Equal(s.t, s.rows[next], string(value))
		from = next + "\x00"
		s.write(s.in.choice(7))
	}
	require.NoError(s.t, it.Err())
	require.NoError(s.t, it.Close())
}

// writeUnderAView takes a view and writes: the view must not change.
func (s *storeProgram) writeUnderAView() {
	v, err := s.db.View()
	require.NoError(s.t, err)
	before := maps.Clone(s.rows)
	for range s.in.choice(6) {
		s.write(s.in.choice(7))
	}
	it, err := v.Iterator(nil, nil)
	require.NoError(s.t, err)
	s.requireRows(it, before)
	require.NoError(s.t, v.Close())
}

// verify compares all rows of a store.
func (s *storeProgram) verify(db *lsm.DB, rows map[string]string) {
	it, err := db.Iterator(nil, nil)
	require.NoError(s.t, err)
	s.requireRows(it, rows)
}

// requireRows compares the rows of an iterator, and closes it.
func (s *storeProgram) requireRows(it *lsm.Iterator, rows map[string]string) {
	var got, want strings.Builder
	for it.Next() {
		value, err := it.Value()
		require.NoError(s.t, err)
		fmt.Fprintf(&got, "%q=%q\n", it.Key(), value)
	}
	require.NoError(s.t, errors.Join(it.Err(), it.Close()))
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&want, "%q=%q\n", k, rows[k])
	}
	require.Equal(s.t, want.String(), got.String())
}

// maintain flushes, compacts, reopens or checkpoints the store.
func (s *storeProgram) maintain(op int) {
	switch op {
	case 12:
		require.NoError(s.t, s.db.Flush(context.Background()))
	case 13:
		require.NoError(s.t, s.db.Compact(context.Background()))
	case 14:
		require.NoError(s.t, s.db.Close())
		s.open("db")
	case 15:
		if s.copies++; s.copies > 1 { // each checkpoint opens a store, which is slow
			return
		}
		s.checkpoint(fmt.Sprint("copy", s.copies))
	}
}

// checkpoint takes a checkpoint, and restores its upper partitions as another store.
func (s *storeProgram) checkpoint(dir string) {
	require.NoError(s.t, s.db.Checkpoint(context.Background(), dir))
	from := s.key()[:s.o.PartitionBytes]
	half := dir + "-half"
	require.NoError(s.t, lsm.Restore(context.Background(), half, []lsm.Part{{Dir: dir, From: []byte(from)}}, s.o))
	_, err := lsm.Check(context.Background(), half, s.o)
	require.NoError(s.t, err)
	db, err := lsm.Open(context.Background(), half, s.o)
	require.NoError(s.t, err)
	rows := maps.Clone(s.rows)
	maps.DeleteFunc(rows, func(k, _ string) bool { return k < from })
	s.verify(db, rows)
	require.NoError(s.t, db.Compact(context.Background()))
	s.verify(db, rows)
	require.NoError(s.t, db.Close())
}
