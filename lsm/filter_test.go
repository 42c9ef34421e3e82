package lsm

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/compaction"
)

// filterFunc is a Filter that calls a function for each entry.
type filterFunc func(e *FilterEntry)

func (d filterFunc) Decide(batch []FilterEntry) {
	for i := range batch {
		d(&batch[i])
	}
}

// filterSizes holds value sizes below, at and above FilterBatchBytes. The filter gets only the first
// FilterBatchBytes of a larger value.
var filterSizes = []int{0, 1, compaction.FilterBatchBytes - 1, compaction.FilterBatchBytes, compaction.FilterBatchBytes + 1, 3 * compaction.FilterBatchBytes}

// A filter can keep, drop and replace values of any size. The value is a set entry, or an append whose
// older entry is not part of the compaction. The filter gets the start of a large value.
func TestFilterDecidesOnValuesOfAnySize(t *testing.T) {
	for _, size := range filterSizes {
		for _, appended := range []bool{false, true} {
			for decision, newSize := range map[Decision]int{Keep: 0, Drop: 0, Replace: 3 * compaction.FilterBatchBytes} {
				value := strings.Repeat("v", size)
				asked := 0
				db := memoryStore(t, Options{Budget: storyBudget(t), Picker: idle{}, Filter: filterFunc(func(e *FilterEntry) {
					if string(e.Key) != "k" {
						return
					}
					asked++
					require.Equal(t, int64(size), e.Size)
					require.Equal(t, appended, e.Appended)
					require.True(t, value[:min(size, compaction.FilterBatchBytes)] == string(e.Value))
					e.Decision, e.NewValue = decision, make([]byte, newSize)
				})})
				want := map[string]string{"j": "of j", "l": "of l"}
				if appended {
					flushed(t, db, db.Put([]byte("k"), []byte("below")))
					compactLevels(t, db, 2, 0) // the table moves to level 2
				}
				putAll(t, db, "j")
				flushed(t, db)
				putAll(t, db, "l")
				if appended {
					require.NoError(t, db.Append([]byte("k"), []byte(value)))
					want["k"] = "below"
				} else {
					require.NoError(t, db.Put([]byte("k"), []byte(value)))
				}
				flushed(t, db)
				compactLevels(t, db, 1, 0)
				require.Equal(t, 1, asked, "%d bytes", size)
				switch decision {
				case Keep:
					want["k"] += value
				case Replace:
					want["k"] += string(make([]byte, newSize))
				}
				requireContent(t, db, want)
			}
		}
	}
}

// If a filter's new value is above the limit, the compaction fails with a SizeError and no entry is lost.
// The compactor does not retry it.
func TestNewValueOfAFilterMustNotExceedTheLimit(t *testing.T) {
	for _, over := range []int{0, 1} {
		var asked atomic.Int64
		failed := make(chan error, 10)
		o := Options{Budget: goldenBudget(t), MaxValueSize: 50, Filter: filterFunc(func(e *FilterEntry) {
			asked.Add(1)
			if string(e.Key) == "b" {
				e.Decision, e.NewValue = Replace, make([]byte, 50+over)
			}
		})}
		o.Events.CompactionFailed = func(err error) { failed <- err }
		db := memoryStore(t, o)
		want := map[string]string{"a": "of a", "b": "of b", "c": "of c"}
		for range compaction.Level0Trigger {
			putAll(t, db, "a", "b", "c")
			flushed(t, db)
		}
		waitUntilIdle(t, db)
		if over == 0 {
			want["b"] = string(make([]byte, 50))
			requireContent(t, db, want)
			require.NoError(t, db.Compact(context.Background()))
			continue
		}
		require.Len(t, failed, 1)
		requireSizeError(t, <-failed, "value", 51, 50)
		before := asked.Load()
		requireSizeError(t, db.Compact(context.Background()), "value", 51, 50)
		requireContent(t, db, want)
		require.Greater(t, asked.Load(), before)
		putAll(t, db, "a")
		flushed(t, db)
		waitUntilIdle(t, db)
		require.Empty(t, failed)
		requireContent(t, db, want)
	}
}

// Appends can make a value larger than the limit. A filter can replace such a value by one of the same
// size, but not by a larger one.
func TestFilterCanReplaceAnOutgrownValueByOneOfTheSameSize(t *testing.T) {
	for _, over := range []int{0, 1} {
		db := memoryStore(t, Options{Budget: goldenBudget(t), Picker: idle{}, MaxValueSize: 50, Filter: filterFunc(func(e *FilterEntry) {
			if string(e.Key) == "k" {
				e.Decision, e.NewValue = Replace, make([]byte, int(e.Size)+over)
			}
		})})
		for range 2 {
			require.NoError(t, db.Append([]byte("k"), []byte(strings.Repeat("v", 40))))
		}
		flushed(t, db, db.Put([]byte("other"), []byte("value")), db.Delete([]byte("deleted")))
		err := db.Compact(context.Background())
		if over > 0 {
			requireSizeError(t, err, "value", 81, 80)
			requireOutgrown(t, db, []byte("k"), bytes.Repeat([]byte("v"), 80), 50)
			continue
		}
		require.NoError(t, err)
		value, size, _, err := db.Stream([]byte("k"))
		require.NoError(t, err)
		require.NoError(t, value.Close())
		require.Equal(t, int64(80), size)
	}
}

// rangeFilterFunc is a RangeFilter that calls a function for each entry.
type rangeFilterFunc struct {
	filterFunc
	from, to []byte
}

func (d rangeFilterFunc) FilterRange() (from, to []byte) { return d.from, d.to }

// A compaction passes only keys of the range to a RangeFilter. Other keys are kept, and the output is
// in order.
func TestRangeFilterGetsOnlyKeysOfItsRange(t *testing.T) {
	for _, c := range []struct {
		from, to []byte
		asked    string
	}{
		{nil, nil, "abcdef"}, {[]byte("c"), nil, "cdef"}, {nil, []byte("c"), "ab"},
		{[]byte("b"), []byte("e"), "bcd"}, {[]byte("x"), nil, ""},
	} {
		asked := ""
		filter := rangeFilterFunc{func(e *FilterEntry) {
			if asked += string(e.Key); e.Key[0]%2 == 0 {
				e.Decision = Drop
			}
		}, c.from, c.to}
		db := memoryStore(t, Options{Budget: goldenBudget(t), Picker: idle{}, Filter: filter})
		want := map[string]string{}
		for i, key := range []string{"b", "d", "f", "a", "c", "e"} {
			if putAll(t, db, key); i%3 == 2 {
				flushed(t, db)
			}
			if !strings.Contains(c.asked, key) || key[0]%2 == 1 {
				want[key] = "of " + key
			}
		}
		compactLevels(t, db, 1, 0)
		require.Equal(t, c.asked, asked)
		requireContent(t, db, want)
	}
}
