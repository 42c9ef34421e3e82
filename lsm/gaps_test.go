package lsm

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/gaps"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs/vfstest"
)

// How many entries of runs a first key may cost, whatever was deleted before: of some
// 80 ns each, so that it stays below 50 µs. A key that was deleted is two entries: its
// own, and that of the delete.
const (
	mostPassed = 200
	// If keys were deleted in no order, the cost depends on which compactions have ended:
	// 374 is usual, and 818 was seen on a loaded machine. Without gaps it is 2 times 8,000.
	mostPassedAtRandom = 1500
)

// queue is a store in memory with keys of eight bytes and numbers of eight bytes as
// suffixes, which may be longer.
type queue struct {
	t    *testing.T
	db   *DB
	tail []byte // of all keys
}

var ofEight = Split{Name: "eight", Func: func(key []byte) int { return min(8, len(key)) }}

func newQueue(t *testing.T, o Options) *queue {
	o.Split = ofEight
	if o.FS == nil {
		o.FS = vfstest.NewMem(vfstest.MemOptions{})
	}
	db, err := Open(context.Background(), "store", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return &queue{t: t, db: db}
}

func queueKey(prefix, i int) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(prefix)), uint64(i))
}

func (q *queue) key(prefix, i int) []byte { return append(queueKey(prefix, i), q.tail...) }

func (q *queue) put(prefix, i int) {
	if err := q.db.Put(q.key(prefix, i), []byte("value")); err != nil {
		require.NoError(q.t, err)
	}
}

func (q *queue) remove(prefix, i int) {
	if err := q.db.Delete(q.key(prefix, i)); err != nil {
		require.NoError(q.t, err)
	}
}

// passing returns the number of entries that iterators step over during do.
func (q *queue) passing(do func()) int {
	before := q.db.scratch.passed
	do()
	return int(q.db.scratch.passed - before)
}

// first requires the first number of a prefix, -1 for none, and returns its cost.
func (q *queue) first(prefix, want int) int {
	return q.passing(func() {
		it, err := q.db.Prefix(queueKey(prefix, 0)[:8])
		require.NoError(q.t, err)
		require.Equal(q.t, want >= 0, it.Next())
		if want >= 0 {
			require.Equal(q.t, q.key(prefix, want), it.Key())
		}
		require.NoError(q.t, it.Close())
	})
}

// seek requires the lowest number from one on, as timers do, and returns its cost.
func (q *queue) seek(prefix, from int, left map[int]bool) int {
	want := slices.Min(append(slices.Collect(maps.Keys(left)), 1<<30))
	for i := range left {
		if i >= from && (want < from || i < want) {
			want = i
		}
	}
	return q.passing(func() {
		it, err := q.db.Prefix(queueKey(prefix, 0)[:8])
		require.NoError(q.t, err)
		ok := it.Seek(queueKey(prefix, from))
		require.Equal(q.t, want >= from && want < 1<<30, ok)
		if ok {
			require.Equal(q.t, queueKey(prefix, want), it.Key())
		}
		require.NoError(q.t, it.Close())
	})
}

// floor requires the greatest number up to one, -1 for none, and returns its cost.
func (q *queue) floor(prefix, upTo, want int) int {
	return q.passing(func() {
		key, value, ok, err := q.db.Floor(queueKey(prefix, upTo))
		require.NoError(q.t, err)
		require.Equal(q.t, want >= 0, ok)
		if ok {
			require.Equal(q.t, queueKey(prefix, want), key)
			require.Equal(q.t, "value", string(value))
		}
	})
}

// upward are the numbers from one to another.
func upward(from, to int) (numbers []int) {
	for i := from; i < to; i++ {
		numbers = append(numbers, i)
	}
	return numbers
}

func downward(from, to int) []int {
	numbers := upward(from, to)
	slices.Reverse(numbers)
	return numbers
}

// removals are ways to delete most keys of a prefix with n keys: the deleted keys, in order.
var removals = map[string]func(rng *rand.Rand, n int) []int{
	"the lowest":           func(_ *rand.Rand, n int) []int { return upward(0, n-10) },
	"the lowest, downward": func(_ *rand.Rand, n int) []int { return downward(0, n-10) },
	"the highest":          func(_ *rand.Rand, n int) []int { return downward(10, n) },
	"the highest, upward":  func(_ *rand.Rand, n int) []int { return upward(10, n) },
	"the middle, then the ends": func(_ *rand.Rand, n int) []int {
		return slices.Concat(upward(n/4, n/2), downward(n/2, 3*n/4), upward(1, n/4), downward(3*n/4, n), []int{0})
	},
	"every other, then the others": func(_ *rand.Rand, n int) (numbers []int) {
		for i := 0; i < n; i += 2 {
			numbers = append(numbers, i)
		}
		for i := 1; i < n-10; i += 2 {
			numbers = append(numbers, i)
		}
		return numbers
	},
	"all":              func(_ *rand.Rand, n int) []int { return upward(0, n) },
	"any, but for ten": func(rng *rand.Rand, n int) []int { return rng.Perm(n)[10:] },
	"any":              func(rng *rand.Rand, n int) []int { return rng.Perm(n) },
}

// The places where the deleted keys, and their deletes, are.
var queuePlaces = map[string]struct {
	options Options
	// moved is called after all keys were put, and after each n/8 deletes.
	moved func(t *testing.T, db *DB)
}{
	"the memtable":     {Options{BudgetBytes: 256 << 20}, func(*testing.T, *DB) {}},
	"sealed runs":      {Options{BudgetBytes: 256 << 20}, func(t *testing.T, db *DB) { require.NoError(t, db.Seal()) }},
	"tables":           {Options{}, func(t *testing.T, db *DB) { require.NoError(t, db.Flush(context.Background())) }},
	"tables, no merge": {Options{Picker: idlePicker{}}, func(t *testing.T, db *DB) { require.NoError(t, db.Flush(context.Background())) }},
	"one run":          {Options{}, func(t *testing.T, db *DB) { require.NoError(t, db.Compact(context.Background())) }},
	"many files":       {Options{MemtableBytes: 100_000, FileBytes: 10_000}, func(*testing.T, *DB) {}},
}

// idlePicker picks nothing.
type idlePicker struct{}

// Pick implements Picker.
func (idlePicker) Pick(Shape) *Pick { return nil }

// After 400,000 removals the first key took 101 ms: each deleted entry was stepped over.
func TestFirstAndLastKeyCostAFewStepsAfterAnyDeletes(t *testing.T) {
	const n = 8000
	most := func(removal string) int {
		if strings.HasPrefix(removal, "any") {
			return mostPassedAtRandom
		}
		return mostPassed
	}
	for place, c := range queuePlaces {
		for name, removal := range removals {
			t.Run(place+", "+name, func(t *testing.T) {
				t.Parallel()
				q := newQueue(t, c.options)
				rng := rand.New(rand.NewPCG(1, 1))
				left := make(map[int]bool)
				for _, i := range rng.Perm(n) {
					q.put(1, i)
					left[i] = true
				}
				for _, neighbour := range []int{0, 2} {
					q.put(neighbour, 5)
				}
				c.moved(t, q.db)
				removed := removal(rng, n)
				looks := q.passing(func() {
					for done, i := range removed {
						q.remove(1, i)
						delete(left, i)
						if done%(n/8) == n/8-1 {
							c.moved(t, q.db)
						}
					}
				})
				// A sealed run more is an entry more for a key that is passed, and so is a table.
				require.LessOrEqual(t, looks, 12*n, "of all deletes")
				lowest, highest := -1, -1
				for i := range left {
					highest = max(highest, i)
					if lowest < 0 || i < lowest {
						lowest = i
					}
				}
				require.LessOrEqual(t, q.first(1, lowest), most(name), "first key")
				require.LessOrEqual(t, q.seek(1, n/2, left), most(name), "a key from the middle on")
				require.LessOrEqual(t, q.floor(1, n, highest), most(name), "last key")
				require.LessOrEqual(t, q.floor(1, n/2, floorOf(left, n/2)), most(name), "a key in the middle")
				require.LessOrEqual(t, q.first(1, lowest), 100, "again")
				q.put(1, n/3)
				left[n/3] = true
				require.LessOrEqual(t, q.floor(1, n/2, floorOf(left, n/2)), most(name), "what was put into a gap is seen")
				require.LessOrEqual(t, q.floor(1, n/3-1, floorOf(left, n/3-1)), most(name), "and the gap goes on before it")
			})
		}
	}
}

func floorOf(left map[int]bool, upTo int) int {
	for ; upTo >= 0 && !left[upTo]; upTo-- {
	}
	return upTo
}

func TestQueueCostsAFewStepsAtAnyLength(t *testing.T) {
	for _, length := range []int{1, 10, 1000} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			q := newQueue(t, Options{MemtableBytes: 200_000})
			const n = 30_000
			most, sum := 0, 0
			for i := range n {
				q.put(1, i)
				if i < length {
					continue
				}
				q.remove(1, i-length)
				cost := q.first(1, i-length+1)
				most, sum = max(most, cost), sum+cost
			}
			require.LessOrEqual(t, most, mostPassed)
			require.LessOrEqual(t, sum, 100*n)
		})
	}
}

// Long keys have gaps as well, up to the 16th part of the memory for gaps.
func TestQueueOfLongKeysCostsAFewSteps(t *testing.T) {
	for _, keyBytes := range []int{300, 2_000, 30_000} {
		for _, order := range []string{"one after the other", "at random"} {
			t.Run(fmt.Sprint(keyBytes, " ", order), func(t *testing.T) {
				q := newQueue(t, Options{BudgetBytes: 64 << 20})
				q.tail = make([]byte, keyBytes-16)
				n := min(4000, 60_000_000/keyBytes)
				for i := range n {
					q.put(1, i)
				}
				removed, most := upward(0, n-1), mostPassed
				if order == "at random" {
					removed, most = rand.New(rand.NewPCG(1, 1)).Perm(n-1), mostPassedAtRandom
					if keyBytes == 30_000 { // the memory has room for 17 gaps: some are forgotten
						most = 2*n - 1
					}
				}
				looks := q.passing(func() {
					for _, i := range removed {
						q.remove(1, i)
					}
				})
				require.LessOrEqual(t, looks, 12*n, "of all deletes")
				require.LessOrEqual(t, q.first(1, n-1), most)
				require.LessOrEqual(t, q.db.o.Budget.gapBytes.Load(), q.db.o.Budget.Limit()/gapShare+gaps.GapBytesPerStore)
			})
		}
	}
}

// Where gaps are too long to be remembered, looks come rarely: each would find all again.
func TestDeletesHardlyLookForGapsThatAreTooLong(t *testing.T) {
	const n = 3000
	for name, c := range map[string]struct {
		tailOf  func(i int) int
		inPairs bool
	}{
		// Two keys and the byte that the end of a gap has more are too long.
		"every key": {func(int) int { return 2048 - 16 }, false},
		// A long one is deleted, and then the short one between it and another long one.
		"every other": {func(i int) int { return 3000 * (1 - i%2) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, Options{BudgetBytes: 1 << 20})
			require.EqualValues(t, 4<<10, q.db.gaps.MaxGapBytes())
			tail := make([]byte, 3000)
			for i := range n {
				q.tail = tail[:c.tailOf(i)]
				q.put(1, i)
			}
			removed := upward(0, n-1)
			for i := 1; c.inPairs && i+1 < len(removed); i += 2 {
				removed[i], removed[i+1] = removed[i+1], removed[i]
			}
			looks := q.passing(func() {
				for _, i := range removed {
					q.tail = tail[:c.tailOf(i)]
					q.remove(1, i)
				}
			})
			require.LessOrEqual(t, looks, 12*n)
		})
	}
}

// The last key of a stack, with Floor.
func TestStackCostsAFewSteps(t *testing.T) {
	q := newQueue(t, Options{MemtableBytes: 200_000})
	rng := rand.New(rand.NewPCG(1, 1))
	most, size := 0, 0
	for range 40_000 {
		if size == 0 || rng.IntN(2) == 0 {
			q.put(1, size)
			size++
		} else {
			size--
			q.remove(1, size)
		}
		most = max(most, q.floor(1, 1<<30, size-1))
	}
	require.LessOrEqual(t, most, mostPassed)
}

func TestFirstKeyAfterOpenWalksOnce(t *testing.T) {
	fs := vfstest.NewMem(vfstest.MemOptions{})
	const n = 5000
	q := newQueue(t, Options{FS: fs, Picker: idlePicker{}})
	for i := range n {
		q.put(1, i)
	}
	require.NoError(t, q.db.Flush(context.Background()))
	for i := range n - 1 {
		q.remove(1, i)
	}
	require.NoError(t, q.db.Close())
	q = newQueue(t, Options{FS: fs, Picker: idlePicker{}})
	require.Greater(t, q.first(1, n-1), n)
	require.LessOrEqual(t, q.first(1, n-1), 10)
	q.put(1, 100)
	require.LessOrEqual(t, q.first(1, 100), 10)
	q.remove(1, 100)
	require.LessOrEqual(t, q.first(1, n-1), 20)
}

func TestViewsAndScansSeeKeysThatWereDeletedLater(t *testing.T) {
	q := newQueue(t, Options{})
	const n = 1000
	for i := range n {
		q.put(1, i)
	}
	v, err := q.db.View()
	require.NoError(t, err)
	for i := range n {
		q.remove(1, i)
	}
	q.first(1, -1)
	require.NotEmpty(t, q.db.gaps.ByPrefix)
	it, err := v.Iterator(nil, nil)
	require.NoError(t, err)
	for i := range n {
		require.True(t, it.Next())
		require.Equal(t, queueKey(1, i), it.Key())
	}
	require.False(t, it.Next())
	require.NoError(t, it.Close())
	require.NoError(t, v.Close())
	require.NoError(t, q.db.DeletePrefix(queueKey(1, 0)[:8]))
	require.Empty(t, q.db.gaps.ByPrefix)
}

// A value that is a run of its own, or a batch, takes its key out of a gap as well.
func TestLargeWritesCutGaps(t *testing.T) {
	q := newQueue(t, Options{BudgetBytes: 4 << 20})
	for i := range 1000 {
		q.put(1, i)
		q.remove(1, i)
	}
	q.first(1, -1)
	require.NoError(t, q.db.Put(queueKey(1, 500), make([]byte, 1<<20)))
	q.first(1, 500)
	var b Batch
	b.Put(queueKey(1, 400), []byte("value"))
	require.NoError(t, q.db.Apply(&b))
	q.first(1, 400)
	b.Append(queueKey(1, 300), make([]byte, 1<<20))
	require.NoError(t, q.db.Apply(&b))
	q.first(1, 300)
}

// However many prefixes have gaps, and however many one has, they take a part of the
// budget, which stores share.
func TestGapsTakeABoundedPartOfTheBudget(t *testing.T) {
	b := NewBudget(8 << 20)
	limit := b.Limit()/gapShare + 3*gaps.GapBytesPerStore
	var queues []*queue
	for range 3 {
		q := newQueue(t, Options{Budget: b})
		queues = append(queues, q)
		for prefix := range 1000 {
			for i := range 40 {
				q.put(prefix, i)
			}
			for i := range 39 {
				q.remove(prefix, i)
			}
			q.first(prefix, 39)
		}
		require.LessOrEqual(t, b.gapBytes.Load(), limit)
		require.Greater(t, b.gapBytes.Load(), limit/2)
	}
	q := queues[0]
	for i := range 40 * 3000 {
		q.put(5000, i)
	}
	for i := range 40 * 3000 {
		if i%40 > 0 {
			q.remove(5000, i)
		}
	}
	require.LessOrEqual(t, len(q.db.gaps.ByPrefix[run.Hash(queueKey(5000, 0)[:8])].Gaps), gaps.MaxGapsOfPrefix)
	require.LessOrEqual(t, b.gapBytes.Load(), limit)
	for _, q := range queues {
		require.NoError(t, q.db.Close())
	}
	require.Zero(t, b.gapBytes.Load())
}

// A large key that is put into a gap is not kept in it: gaps are bounded, and so is the
// memory of walks that have passed it.
func TestGapsDoNotKeepLargeKeys(t *testing.T) {
	q := newQueue(t, Options{Budget: storyBudget(t)})
	for _, i := range upward(0, 200) {
		q.put(1, i)
	}
	for _, i := range upward(0, 200) {
		q.remove(1, i)
	}
	q.first(1, -1)
	before := q.db.gaps.Bytes
	require.Positive(t, before)
	large := append(queueKey(1, 100), make([]byte, maxPeeked)...)
	require.NoError(t, q.db.Put(large, []byte("value")))
	require.LessOrEqual(t, q.db.gaps.Bytes, before)
	it, err := q.db.Prefix(large[:8])
	require.NoError(t, err)
	require.True(t, it.Next())
	require.Equal(t, large, it.Key())
	require.False(t, it.Next())
	require.NoError(t, it.Close())

	require.NoError(t, q.db.Delete(large))
	q.put(1, 300)
	q.first(1, 300)
	for _, w := range q.db.scratch.idle {
		require.Less(t, cap(w.cursor.dead.First)+cap(w.cursor.dead.To), maxPeeked)
	}
}
