package lsm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs/vfstest"
)

// testSource is a source of given entries. before, if not nil, is called before each of them and once
// at the end.
type testSource struct {
	entries []run.Entry
	before  func(i int) error
	begun   atomic.Int64 // calls of Entries
	closed  atomic.Int64 // calls of Close
}

func (s *testSource) Entries(add func(*run.Entry) error) error {
	s.begun.Add(1)
	for i := range len(s.entries) + 1 {
		if s.before != nil {
			if err := s.before(i); err != nil {
				return err
			}
		}
		if i < len(s.entries) {
			if err := add(&s.entries[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *testSource) Close() { s.closed.Add(1) }

func entry(kind run.Kind, key, value string) run.Entry {
	return run.Entry{Key: []byte(key), Kind: kind, Value: run.Value{Bytes: []byte(value)}}
}

func sourceOf(entries ...run.Entry) *testSource { return &testSource{entries: entries} }

// sourceStore opens a store without log and compactions. Prefixes have two bytes, partitions one.
func sourceStore(t testing.TB) *DB {
	db := memoryStore(t, sourceOptions())
	setRunAge(db, time.Hour)
	return db
}

func sourceOptions() Options {
	return Options{
		Picker: idle{}, PartitionBytes: 1,
		Split: Split{Name: "two", Func: func(key []byte) int { return min(2, len(key)) }},
	}
}

// sealWith passes a source to the store, and returns its run.
func sealWith(t testing.TB, db *DB, s Source) uint64 {
	number, err := db.SealWith(s)
	require.NoError(t, err)
	return number
}

// held returns a source whose Entries waits until release is called, or the test ends.
func held(t testing.TB, entries ...run.Entry) (s *testSource, release func()) {
	gate := make(chan struct{})
	s = sourceOf(entries...)
	s.before = func(int) error { <-gate; return nil }
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return s, release
}

// requireValue requires the value of a key; "" means that there is none.
func requireValue(t testing.TB, want, key string, get func(key, dst []byte) ([]byte, bool, error)) {
	t.Helper()
	got, found, err := get([]byte(key), nil)
	require.NoError(t, err)
	require.Equal(t, want != "", found, key)
	require.Equal(t, want, string(got), key)
}

// A source hides and extends the runs before it, and is hidden and extended by the runs after it.
func TestSourceIsARunBetweenTwoMemtables(t *testing.T) {
	db := sourceStore(t)
	appendTo := func(key, value string) { require.NoError(t, db.Append([]byte(key), []byte(value))) }
	putAll(t, db, "aa1", "aa2", "aa3", "bb1", "bb2", "ee1")
	appendTo("cc1", "1")
	appendTo("cc2", "1")
	s := sourceOf(
		entry(run.Set, "aa1", "source"), entry(run.Set, "aa2", "source"), entry(run.Delete, "aa3", ""),
		entry(run.DeletePrefix, "bb", ""), entry(run.Set, "bb", "prefix"), entry(run.Set, "bb3", "source"),
		entry(run.Append, "cc1", "2"), entry(run.Append, "cc2", "2"), entry(run.Append, "dd1", "2"),
		entry(run.Set, "ee1", "source"),
	)
	require.EqualValues(t, 2, sealWith(t, db, s))
	putAll(t, db, "aa1", "bb2")
	appendTo("cc1", "3")
	require.NoError(t, db.Delete([]byte("ee1")))
	want := "aa1=of aa1 aa2=source bb=prefix bb2=of bb2 bb3=source cc1=123 cc2=12 dd1=2 "
	require.Equal(t, want, entriesOf(t, db))
	require.EqualValues(t, 1, s.begun.Load())
	flushed(t, db)
	require.Equal(t, 3, tablesOf(db)[0], "the source has a table of its own")
	require.Equal(t, want, entriesOf(t, db))
	for key, value := range map[string]string{"aa1": "of aa1", "aa2": "source", "aa3": "", "bb1": "", "cc1": "123", "dd1": "2", "ee1": ""} {
		requireValue(t, value, key, db.Get)
	}
	require.NoError(t, db.Compact(t.Context()))
	require.Equal(t, want, entriesOf(t, db))
}

// Live reads see the store without the source until it is flushed; reads of views wait for the flush.
func TestLiveReadsPassOverASourceAndViewsWaitForIt(t *testing.T) {
	db := sourceStore(t)
	putAll(t, db, "aa1", "aa3")
	s, release := held(t, entry(run.Set, "aa1", "source"), entry(run.Set, "aa2", "source"), entry(run.Delete, "aa3", ""))
	before := db.FlushedRun()
	number := sealWith(t, db, s)
	it, err := db.Prefix([]byte("aa"))
	require.NoError(t, err)
	defer it.Close()
	live := func(first, second, floor string) {
		requireValue(t, first, "aa1", db.Get)
		requireValue(t, second, "aa2", db.Get)
		found, err := db.Has([]byte("aa2"))
		require.NoError(t, err)
		require.Equal(t, second != "", found)
		require.Equal(t, second != "", db.MayHold([]byte("aa2")))
		requireValue(t, second, "aa2", func(key, _ []byte) ([]byte, bool, error) { return db.Peek(key) })
		key, _, _, err := db.Floor([]byte("aa9"))
		require.NoError(t, err)
		require.Equal(t, floor, string(key))
	}
	live("of aa1", "", "aa3")
	require.True(t, it.Next())
	require.Equal(t, "aa1", string(it.Key()))

	v, err := db.View()
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, db.Put([]byte("aa4"), nil))
	reads := map[string]func() (string, error){
		"Get":      func() (string, error) { b, _, err := v.Get([]byte("aa2"), nil); return string(b), err },
		"Has":      func() (string, error) { found, err := v.Has([]byte("aa3")); return fmt.Sprint(found), err },
		"Iterator": func() (string, error) { it, err := v.Iterator(nil, nil); return closed(t, it, err) },
		"of store": func() (string, error) { it, err := db.Iterator(nil, nil); return closed(t, it, err) },
		"Stream": func() (string, error) {
			r, size, found, err := v.Stream([]byte("aa2"))
			if found {
				err = r.Close()
			}
			return fmt.Sprint(size, found), err
		},
		"Tables": func() (string, error) {
			tables, err := v.Tables(t.Context())
			if err != nil {
				return "", err
			}
			return fmt.Sprint(len(tables.List())), errors.Join(err, tables.Close())
		},
	}
	want := map[string]string{"Get": "source", "Has": "false", "Iterator": "aa1 aa2 ", "of store": "aa1 aa2 aa4 ", "Stream": "6 true", "Tables": "2"}
	type result struct {
		name, got string
		err       error
	}
	results := make(chan result)
	for name, read := range reads {
		go func() {
			got, err := read()
			results <- result{name, got, err}
		}()
	}
	require.Eventually(t, func() bool { return s.begun.Load() == 1 }, time.Minute, time.Millisecond)
	require.GreaterOrEqual(t, db.FlushedRun(), before)
	require.Less(t, db.FlushedRun(), number)
	release()
	for range reads {
		r := <-results
		require.NoError(t, r.err, r.name)
		require.Equal(t, want[r.name], r.got, r.name)
	}
	require.NoError(t, db.WaitFlushed(t.Context(), number))
	require.GreaterOrEqual(t, db.FlushedRun(), number)
	live("source", "source", "aa4")
	require.Equal(t, "aa2 aa4 ", keysOf(t, it), "a prefix iterator continues in the flushed run")
}

// closed returns the keys of an iterator and closes it.
func closed(t *testing.T, it *Iterator, err error) (string, error) {
	if err != nil {
		return "", err
	}
	keys := ""
	for it.Next() {
		keys += string(it.Key()) + " "
	}
	return keys, errors.Join(it.Err(), it.Close())
}

var errSource = errors.New("the source fails")

// A flush whose source fails or panics leaves no file and is retried. Nothing is lost.
func TestFailedSourceIsAskedAgain(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errSource },
		"panic": func() error { panic(errSource.Error()) },
	} {
		for _, at := range []int{0, 1, 2} {
			t.Run(fmt.Sprint(name, " at ", at), func(t *testing.T) {
				mem := vfstest.NewMem(vfstest.MemOptions{})
				o := sourceOptions()
				o.FS, o.MemtableBytes = mem, 1000
				var failures atomic.Int64
				o.Events.FlushFailed = func(error) { failures.Add(1) }
				db, err := Open(t.Context(), "db", o)
				require.NoError(t, err)
				putAll(t, db, "aa1")
				flushed(t, db)
				names := func() int { files, err := mem.List("db"); require.NoError(t, err); return len(files) }
				files := names()
				s := sourceOf(entry(run.Set, "aa2", "source"), entry(run.Set, "aa3", "source"))
				var broken atomic.Bool
				broken.Store(true)
				s.before = func(i int) error {
					if i == at && broken.Load() {
						return fail()
					}
					return nil
				}
				number := sealWith(t, db, s)
				var wrong *SourceError
				for range 2 {
					require.ErrorAs(t, db.WaitFlushed(t.Context(), number), &wrong)
				}
				v, err := db.View()
				require.NoError(t, err)
				_, _, err = v.Get([]byte("aa2"), nil)
				require.ErrorAs(t, err, &wrong)
				require.ErrorAs(t, db.Checkpoint(t.Context(), "copy"), &wrong)
				var panicked *PanicError
				require.Equal(t, name == "panic", errors.As(err, &panicked))
				require.Equal(t, name == "error", errors.Is(err, errSource))
				writes := 0
				for err = nil; err == nil && writes < 1000; writes++ { // until the sealed runs are too many
					err = db.Put(fmt.Appendf(nil, "bb%04d", writes), make([]byte, 500))
				}
				require.ErrorIs(t, err, ErrStalled)
				require.ErrorAs(t, err, &wrong)
				require.Zero(t, s.closed.Load())
				broken.Store(false)
				require.NoError(t, db.WaitFlushed(t.Context(), number))
				requireValue(t, "source", "aa2", v.Get)
				require.NoError(t, v.Close())
				require.NoError(t, db.Put([]byte("cc1"), []byte("later")))
				flushed(t, db)
				require.Positive(t, failures.Load())
				require.NoError(t, db.Close())
				require.EqualValues(t, 1, s.closed.Load())
				require.Greater(t, names(), files)
				report, err := Check(t.Context(), "db", o)
				require.NoError(t, err)
				require.Empty(t, report.Leftovers)
				db, err = Open(t.Context(), "db", o)
				require.NoError(t, err)
				requireValue(t, "source", "aa3", db.Get)
				requireValue(t, "later", "cc1", db.Get)
				require.NoError(t, db.Close())
			})
		}
	}
}

// An entry that no write could have made is an error of the source, not a damaged table.
func TestInvalidEntriesOfASourceAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		entries []run.Entry
		want    error
	}{
		"descending":           {[]run.Entry{entry(run.Set, "aa2", ""), entry(run.Set, "aa1", "")}, sstable.ErrOrder},
		"twice":                {[]run.Entry{entry(run.Set, "aa1", ""), entry(run.Delete, "aa1", "")}, sstable.ErrOrder},
		"tombstone after key":  {[]run.Entry{entry(run.Set, "aa", ""), entry(run.DeletePrefix, "aa", "")}, sstable.ErrOrder},
		"kind":                 {[]run.Entry{entry(0, "aa1", "")}, ErrInvalidOption},
		"large key":            {[]run.Entry{entry(run.Set, "aa123456789", "")}, ErrTooLarge},
		"large value":          {[]run.Entry{entry(run.Append, "aa1", "01234567890")}, ErrTooLarge},
		"shorter than a group": {[]run.Entry{entry(run.Set, "", "")}, ErrPartition},
		"not a prefix":         {[]run.Entry{entry(run.DeletePrefix, "aa1", "")}, ErrRange},
	} {
		t.Run(name, func(t *testing.T) {
			o := sourceOptions()
			o.MaxKeySize, o.MaxValueSize = 10, 10
			db := memoryStore(t, o)
			s := sourceOf(c.entries...)
			var wrong *SourceError
			err := db.WaitFlushed(t.Context(), sealWith(t, db, s))
			require.ErrorIs(t, err, c.want)
			require.ErrorAs(t, err, &wrong)
			require.ErrorAs(t, db.Close(), &wrong)
			require.EqualValues(t, 1, s.closed.Load())
		})
	}
}

// Entries may ignore the error of add; the flush fails nevertheless.
func TestSourceThatIgnoresErrorsFails(t *testing.T) {
	for kind, want := range map[run.Kind]error{run.Set: sstable.ErrOrder, 0: ErrInvalidOption} {
		db := sourceStore(t)
		number := sealWith(t, db, deaf(kind))
		require.ErrorIs(t, db.WaitFlushed(t.Context(), number), want)
		require.NoError(t, db.Discard())
	}
}

// deaf is the kind of its second entry.
type deaf run.Kind

func (kind deaf) Entries(add func(*run.Entry) error) error {
	for i, key := range []string{"aa2", "aa1", "aa3"} {
		e := entry(run.Set, key, "")
		if i == 1 {
			e.Kind = run.Kind(kind)
		}
		_ = add(&e)
	}
	return nil
}

func (deaf) Close() {}

// A source is due at once, even if a view holds the memtable before it.
func TestSourceIsFlushedAtOnce(t *testing.T) {
	db := sourceStore(t)
	putAll(t, db, "aa1")
	v, err := db.View()
	require.NoError(t, err)
	number := sealWith(t, db, sourceOf(entry(run.Set, "aa1", "source")))
	waitFor(t, "the source is flushed", func() bool { return db.FlushedRun() >= number })
	requireValue(t, "of aa1", "aa1", v.Get)
	require.NoError(t, v.Close())
}

func TestEmptySourceLeavesNoTable(t *testing.T) {
	db := sourceStore(t)
	s := sourceOf()
	number := sealWith(t, db, s)
	require.NoError(t, db.WaitFlushed(t.Context(), number))
	require.Equal(t, number, db.FlushedRun())
	require.Zero(t, tablesOf(db)[0])
	waitFor(t, "the source is closed", func() bool { return s.closed.Load() == 1 })
}

func TestSealWithRefusesInvalidSources(t *testing.T) {
	db := sourceStore(t)
	_, err := db.SealWith(nil)
	require.ErrorIs(t, err, ErrInvalidOption)
	require.ErrorIs(t, db.WaitFlushed(t.Context(), 1), ErrInvalidOption, "the run is not sealed")
	logged := memoryStore(t, Options{Log: LogBuffered})
	s := sourceOf()
	_, err = logged.SealWith(s)
	require.ErrorIs(t, err, ErrInvalidOption)
	require.Zero(t, s.closed.Load())
}

// Every way to close a store closes a source once: flushed, with a failing flush, discarded, with an open view,
// or after the store has failed.
func TestSourceIsClosedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		fails bool
		end   func(t *testing.T, db *DB, number uint64)
	}{
		"flush":   {end: func(t *testing.T, db *DB, n uint64) { require.NoError(t, db.WaitFlushed(t.Context(), n)) }},
		"close":   {end: func(t *testing.T, db *DB, _ uint64) { require.NoError(t, db.Close()) }},
		"failing": {true, func(t *testing.T, db *DB, _ uint64) { require.ErrorIs(t, db.Close(), errSource) }},
		"discard": {true, func(t *testing.T, db *DB, _ uint64) { require.NoError(t, db.Discard()) }},
		"view": {true, func(t *testing.T, db *DB, _ uint64) {
			v, err := db.View()
			require.NoError(t, err)
			require.ErrorIs(t, db.Discard(), ErrOpen)
			_, _, err = v.Get([]byte("aa1"), nil)
			require.ErrorIs(t, err, ErrClosed)
			require.NoError(t, v.Close())
		}},
		"failed": {true, func(t *testing.T, db *DB, n uint64) {
			require.ErrorIs(t, db.fail(errSource), ErrFailed)
			require.ErrorIs(t, db.WaitFlushed(t.Context(), n), ErrFailed)
			require.ErrorIs(t, db.Close(), ErrFailed)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			db := sourceStore(t)
			s := sourceOf(entry(run.Set, "aa1", "source"))
			if c.fails {
				s.before = func(int) error { return errSource }
			}
			c.end(t, db, sealWith(t, db, s))
			_ = db.Close()
			require.EqualValues(t, 1, s.closed.Load())
		})
	}
}

// Discard ends a source that is adding entries.
func TestDiscardEndsAFlushOfASource(t *testing.T) {
	db := sourceStore(t)
	s := &endless{begun: make(chan struct{}), end: make(chan error, 1)}
	sealWith(t, db, s)
	<-s.begun
	require.NoError(t, db.Discard())
	require.ErrorIs(t, <-s.end, ErrClosed)
}

// endless adds entries until add fails.
type endless struct {
	begun chan struct{}
	end   chan error
}

func (s *endless) Entries(add func(*run.Entry) error) (err error) {
	close(s.begun)
	for i := 0; err == nil; i++ {
		e := entry(run.Set, fmt.Sprintf("aa%09d", i), "")
		err = add(&e)
	}
	s.end <- err
	return err
}

func (s *endless) Close() {}

// The end of the context ends a wait for a source, not the flush.
func TestContextEndsAWaitForASource(t *testing.T) {
	db := sourceStore(t)
	s, release := held(t, entry(run.Set, "aa1", "source"))
	number := sealWith(t, db, s)
	v, err := db.View()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, db.WaitFlushed(ctx, number), context.Canceled)
	_, err = v.Tables(ctx)
	require.ErrorIs(t, err, context.Canceled)
	release()
	requireValue(t, "source", "aa1", v.Get)
	require.NoError(t, v.Close())
}

// A gap that was found without the entries of a source does not hide them after the flush.
func TestSourceEndsGaps(t *testing.T) {
	db := sourceStore(t)
	db.gaps.MinDead, db.gaps.ExploreEvery = 1, 1
	keys := func() string {
		it, err := db.Prefix([]byte("aa"))
		require.NoError(t, err)
		defer it.Close()
		return keysOf(t, it)
	}
	for i := range 20 {
		putAll(t, db, fmt.Sprintf("aa%02d", i))
	}
	s, release := held(t, entry(run.Set, "aa05x", "source"))
	number := sealWith(t, db, s)
	for i := range 19 {
		require.NoError(t, db.Delete(fmt.Appendf(nil, "aa%02d", i)))
	}
	require.Equal(t, "aa19 ", keys())
	require.NotEmpty(t, db.gaps.ByPrefix)
	release()
	require.NoError(t, db.WaitFlushed(t.Context(), number))
	require.Equal(t, "aa05x aa19 ", keys())
	found, _, ok, err := db.Floor([]byte("aa18"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "aa05x", string(found))
}
