package lsm

import (
	"fmt"
	"math/rand/v2"

	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/memtable/btreetable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// modelOptions are the options of a program. newModelOptions draws those that a store keeps for its
// life; redraw draws the others each time that the store is opened.
type modelOptions struct {
	Options
	words  int  // approx. number of different prefixes
	real   bool // the files are on a real disk, not in memory
	shared bool // all stores of the program share one budget
}

// chooser is a rand.Rand or a programs.Dice. IntN returns a random number below n.
type chooser interface{ IntN(n int) int }

// chosen returns a random element of some.
func chosen[T any](rng chooser, some ...T) T { return some[rng.IntN(len(some))] }

// newModelOptions draws the options that a store keeps for its life.
func newModelOptions(rng programs.Dice) (o modelOptions) {
	o.Split = chosen(rng, modelSplits...)
	o.PartitionBytes = rng.IntN(3)
	o.MaxKeySize = chosen[int64](rng, 0, 0, 0, 11)
	o.MaxValueSize = chosen[int64](rng, 0, 0, 0, 40, 1000)
	o.words = chosen(rng, 2, 6, 30, 200)
	o.real = rng.Uniform(40) == 0
	o.shared = rng.IntN(4) == 0
	o.FS = vfstest.NewMem(vfstest.MemOptions{})
	if o.real {
		o.FS = vfs.Real{}
	}
	return o
}

// redraw draws the options that may change each time that the store is opened.
func (o *modelOptions) redraw(rng programs.Dice) {
	o.Log = chosen(rng, allLogModes...)
	o.BudgetBytes = chosen[int64](rng, 4<<20, 6<<20, 20<<20)
	o.MemtableBytes = chosen[int64](rng, 30, 300, 2000, 2000, 20_000, 0)
	o.BlockBytes = chosen(rng, 512, 512, 4096, 64<<10)
	o.FileBytes = chosen[int64](rng, 1, 300, 3000, 30_000)
	o.FilterBits = chosen(rng, 0, -1, 1, 20)
	o.Compression = nil
	for range rng.IntN(4) {
		o.Compression = append(o.Compression, chosen(rng, NoCompression, S2, Zstd))
	}
	o.NewMemtable = chosen(rng, memtable.NewHash, memtable.NewHash, btreetable.New)
	o.Picker = chosen(rng, NewLeveled(), NewTiered(2+rng.IntN(3)), Picker(&randomPicker{rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}))
	o.Filter = chosen(rng, nil, nil, Filter(rewritingFilter{}))
	if o.shared {
		o.BudgetBytes = 0
	} else {
		o.MaxOpenFiles = chosen(rng, 0, 1, 3)
	}
}

func (o *modelOptions) String() string {
	return fmt.Sprintf("split %s, partitions of %d, limits %d and %d, words %d, real %v, shared %v, log %d, budget %d, memtable %d, block %d, file %d, filter %d, compression %v, picker %T, filter %v, open files %d",
		o.Split.Name, o.PartitionBytes, o.MaxKeySize, o.MaxValueSize, o.words, o.real, o.shared, o.Log, o.BudgetBytes, o.MemtableBytes,
		o.BlockBytes, o.FileBytes, o.FilterBits, o.Compression, o.Picker, o.Filter != nil, o.MaxOpenFiles)
}

// key returns a random key that the store accepts.
func (o *modelOptions) key(rng programs.Dice) string {
	prefix := o.prefix(rng)
	switch o.Split.Name {
	case "three":
		if len(prefix) < 3 {
			return prefix
		}
	case "slash":
		if prefix[max(len(prefix)-1, 0):] != "/" {
			return prefix
		}
	default:
		return prefix
	}
	return prefix + chosen(rng, "", "\x00", "a", "b", "b\x00", "ba", "c/", "\xff", "\xff\xff", fmt.Sprint(rng.IntN(20)))
}

// prefix returns a random prefix that the store accepts: Split leaves it unchanged.
func (o *modelOptions) prefix(rng programs.Dice) string {
	n := rng.IntN(o.words)
	letters := []string{"a", "b", "\xff", "\x00", "c", "d"}
	word := letters[n%2] + letters[n/2%len(letters)]
	switch o.Split.Name {
	case "three":
		return word + chosen(rng, letters[n/12%len(letters)], "e")
	case "slash":
		if n > 12 {
			word += fmt.Sprint(n / 12)
		}
		return word + chosen(rng, "/", "/", "/", "")
	}
	if n > 12 {
		word += fmt.Sprint(n / 12)
	}
	if o.PartitionBytes == 0 && rng.IntN(50) == 0 {
		return ""
	}
	return word
}

// partition returns a random bound between partitions; nil means unbounded.
func (o *modelOptions) partition(rng programs.Dice) []byte {
	if o.PartitionBytes == 0 || rng.IntN(10) == 0 {
		return nil
	}
	bound := chosen(rng, "a", "b", "\xff", "aa", "ab", "a\xff", "ba", "bb", "b\x00", "bc")
	return []byte(bound[:min(len(bound), o.PartitionBytes)])
}

// rewritingFilter replaces every other entry by a copy of its own value, so a compaction rewrites
// entries and no content changes.
type rewritingFilter struct{}

func (rewritingFilter) Decide(batch []FilterEntry) {
	for i := range batch {
		if e := &batch[i]; i%2 == 0 && int64(len(e.Value)) == e.Size {
			e.Decision, e.NewValue = Replace, append([]byte{}, e.Value...)
		}
	}
}
