package lsm

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/weirstate/weir/run"
)

// value returns a random value, sometimes a large one.
func (w *world) value() string {
	n := chosen(w.dice, 0, 1, 3, 10, 30, 100)
	switch w.dice.Uniform(600) {
	case 0:
		n = int(min(maxMemtableEntry, w.db.o.Budget.Limit()/16)) - 100 + w.dice.IntN(2000) // near the size limit of a memtable entry
	case 1, 2:
		n = 3000
	}
	piece := fmt.Sprintf("%d.", w.dice.IntN(1000))
	return strings.Repeat(piece, n/len(piece)+1)[:n]
}

// op returns a random operation on a key.
func (w *world) op() modelOp {
	switch w.dice.Uniform(20) {
	case 0:
		return modelOp{run.DeletePrefix, w.o.prefix(w.dice), ""}
	case 1, 2, 3:
		return modelOp{run.Delete, w.o.key(w.dice), ""}
	case 4, 5, 6, 7, 8, 9:
		return modelOp{run.Append, w.o.key(w.dice), w.value()}
	}
	return modelOp{run.Set, w.o.key(w.dice), w.value()}
}

// expected returns the error that the store must return for an operation.
func (w *world) expected(op modelOp) error {
	switch {
	case op.kind == run.DeletePrefix && w.o.Split.Func([]byte(op.key)) != len(op.key):
		return ErrRange
	case w.o.MaxKeySize > 0 && int64(len(op.key)) > w.o.MaxKeySize, int64(len(op.value)) > w.o.limit():
		return ErrTooLarge
	}
	return nil
}

func (w *world) writeOne() {
	op := w.op()
	key, value := []byte(op.key), []byte(op.value)
	do := map[run.Kind]func() error{
		run.Set:          func() error { return w.db.Put(key, value) },
		run.Delete:       func() error { return w.db.Delete(key) },
		run.Append:       func() error { return w.db.Append(key, value) },
		run.DeletePrefix: func() error { return w.db.DeletePrefix(key) },
	}
	isLarge := w.isLarge(op.size()) && w.expected(op) == nil
	w.write(op.String(), w.expected(op), do[op.kind], func() { w.model.apply(w.o.Split, op) })
	clear(key) // the store must have its own copy
	clear(value)
	w.recordLargeRun(isLarge)
}

// drain deletes most keys of a prefix one by one, so that gaps grow and merge.
func (w *world) drain() {
	prefix := w.o.prefix(w.dice)
	rows := w.model.within(prefix, nil, func(key string) bool { return modelPrefix(w.o.Split, key) == prefix })
	switch w.dice.IntN(3) {
	case 0:
		slices.Reverse(rows)
	case 1:
		rows = rapid.Permutation(rows).Draw(w.dice.T, "")
	}
	for _, r := range rows[:len(rows)-min(len(rows), w.dice.IntN(3))] {
		op := modelOp{kind: run.Delete, key: r.key}
		w.write(op.String(), nil, func() error { return w.db.Delete([]byte(op.key)) }, func() { w.model.apply(w.o.Split, op) })
	}
}

func (w *world) isLarge(bytes int64) bool { return w.db.isLarge(bytes) }

// recordLargeRun records that the run sealed last contains the large write.
func (w *world) recordLargeRun(isLarge bool) {
	if isLarge {
		w.seen.Large++
		w.ends[w.activeRun()-1] = w.model.clone()
	}
}

func (w *world) writeBatch() {
	var b Batch
	var expected error
	var ops []modelOp
	var lines []string
	total := int64(0)
	for range w.dice.IntN(12) {
		op := w.op()
		if err := w.expected(op); err != nil && expected == nil {
			expected = err
		}
		key, value := []byte(op.key), []byte(op.value)
		switch op.kind {
		case run.Set:
			b.Put(key, value)
		case run.Delete:
			b.Delete(key)
		case run.Append:
			b.Append(key, value)
		case run.DeletePrefix:
			b.DeletePrefix(key)
		}
		clear(key) // the store must have its own copy
		clear(value)
		ops, lines, total = append(ops, op), append(lines, op.String()), total+op.size()
	}
	isLarge := w.isLarge(total) && expected == nil
	w.write("batch: "+strings.Join(lines, ", "), expected, func() error { return w.db.Apply(&b) }, func() {
		for _, op := range ops {
			w.model.apply(w.o.Split, op)
		}
	})
	w.recordLargeRun(isLarge)
}

// deleteRange deletes a range of partitions; only rarely all partitions.
func (w *world) deleteRange() {
	from, to := w.o.partition(w.dice), w.o.partition(w.dice)
	if len(from) == 0 && to == nil && w.dice.IntN(10) > 0 {
		return
	}
	var expected error
	if to != nil && string(from) >= string(to) {
		expected = ErrRange
	}
	low, high := string(from), text(to)
	// The store seals the active memtable before it writes the tombstone.
	w.write(fmt.Sprintf("delete from %q to %q", from, to), expected, func() error { return w.db.DeleteRange(from, to) },
		func() { w.model.deleteAll(w.model.within(low, high, nil)) })
	clear(from)
	clear(to)
}
