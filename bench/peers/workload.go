package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	listCount     = 100_000 // number of values that grow by appends
	pieces        = 20      // average number of appends per value
	pieceBytes    = 16      // size of an append
	mapCount      = 20_000  // number of maps: prefixes of keys
	mapEntries    = 100     // entries per map
	snapshotEvery = 100 * time.Millisecond
)

// bench is an open engine and the data that its workloads share.
type bench struct {
	options
	engine engine
	*meter // measures the current workload

	key    []byte // scratch
	value  []byte // scratch
	values [][]byte
	seed   uint64 // of the last random generator
}

// workload is one row. The workloads of a store run in order, each on the data of those before.
type workload struct {
	name   string
	needed bool // runs even if it was not chosen, because later workloads need its data
	run    func(b *bench) error
}

// store is a group of workloads that run on one open engine.
type store struct {
	layout    layout
	workloads []workload
}

// stores lists all workloads.
var stores = []store{
	{workloads: []workload{
		{"load", true, (*bench).load},
		{"load settle", true, (*bench).settle},
		{"get", false, (*bench).get},
		{"get absent", false, (*bench).getAbsent},
		{"scan", false, (*bench).scan},
		{"scan while writing", false, (*bench).scanWriting},
		{"rmw zipf", false, (*bench).rmwZipf},
		{"rmw uniform", false, (*bench).rmwUniform},
		{"rmw with snapshots", false, (*bench).rmwSnapshots},
		{"delete", false, (*bench).delete},
	}},
	{workloads: []workload{
		{"append", true, (*bench).append},
		{"append settle", true, (*bench).settle},
		{"get appended", false, (*bench).getAppended},
	}},
	{layout: layout{prefixBytes: prefixBytes}, workloads: []workload{
		{"map put", true, (*bench).mapPut},
		{"map settle", true, (*bench).settle},
		{"map iterate", false, (*bench).mapIterate},
	}},
	{workloads: []workload{
		{"put by 8 writers", false, (*bench).putShared},
	}},
}

func workloadNames() (names []string) {
	for _, s := range stores {
		for _, w := range s.workloads {
			names = append(names, w.name)
		}
	}
	return names
}

// keyOf returns key i. It is valid until the next call.
func (b *bench) keyOf(i uint64) []byte {
	b.key = keyKinds[b.keyKind](b.key[:0], i)
	return b.key
}

func (b *bench) valueOf(i int) []byte { return b.values[i%len(b.values)] }

// random returns a random generator with a new seed. The seeds are the same in every run.
func (b *bench) random() *rand.Rand {
	b.seed++
	return rand.New(rand.NewPCG(b.seed, 1))
}

// load puts all keys: sequential keys in their order, other keys in another order.
func (b *bench) load() error {
	order := newOrder(uint64(b.keys), 1)
	return b.repeat(b.keys, func(i int) error {
		n := uint64(i)
		if b.keyKind != "sequential" {
			n = order.next()
		}
		return b.engine.Put(b.keyOf(n), b.valueOf(i))
	})
}

// writers is the number of goroutines that write to a shared engine.
const writers = 8

// putShared puts all keys by several goroutines, each with a part of the keys. There is no traced
// run.
func (b *bench) putShared() error {
	engine, ok := b.engine.(sharedEngine)
	if !ok || b.trace {
		return errUnsupported
	}
	b.start()
	defer b.stop()
	failed := make(chan error, writers)
	for w := range writers {
		go func() { failed <- b.putEvery(engine, w) }()
	}
	var err error
	for range writers {
		err = errors.Join(err, <-failed)
	}
	b.done = b.keys
	return err
}

// putEvery puts the keys of one writer: every key whose index modulo writers is writer.
func (b *bench) putEvery(engine sharedEngine, writer int) error {
	order := newOrder(uint64(b.keys), 1)
	var key []byte
	for i := range b.keys {
		n := order.next()
		if i%writers != writer {
			continue
		}
		key = keyKinds[b.keyKind](key[:0], n)
		if err := engine.PutShared(key, b.valueOf(i)); err != nil {
			return err
		}
		if i%1024 == writer && b.ctx.Err() != nil {
			return b.ctx.Err()
		}
	}
	return nil
}

// settle measures one operation that waits for all background work.
func (b *bench) settle() error {
	return b.repeat(1, func(int) error { return b.engine.Settle() })
}

// reads measures Gets of keys that must exist (want) or must not exist.
func (b *bench) reads(next func() uint64, want bool) error {
	key := func() []byte { return b.keyOf(next()) }
	if engine, ok := b.engine.(batchEngine); ok && !b.trace {
		return b.chunks(b.ops, func(n, _ int) error {
			engine.Batch(n, key)
			found, err := engine.GetBatch()
			return checkFound(err, found, n, want)
		})
	}
	return b.repeat(b.ops, func(int) error {
		_, found, err := b.engine.Get(key())
		return checkFound(err, count(found), 1, want)
	})
}

// count returns 1 if a key was found, else 0.
func count(found bool) int {
	if found {
		return 1
	}
	return 0
}

// checkFound returns err, or an error if found is not the expected number of n keys: all of them
// if want is true, else zero.
func checkFound(err error, found, n int, want bool) error {
	if wanted := n * count(want); err == nil && found != wanted {
		err = fmt.Errorf("%d of %d keys found, want %d", found, n, wanted)
	}
	return err
}

// get reads random keys that exist.
func (b *bench) get() error { return b.reads(b.uniform(), true) }

// getAbsent reads random keys that do not exist.
func (b *bench) getAbsent() error {
	next := b.uniform()
	return b.reads(func() uint64 { return uint64(b.keys) + next() }, false)
}

// rmw reads a value, changes its first 8 bytes and writes it. It calls before once per chunk of
// operations.
func (b *bench) rmw(next func() uint64, before func() error) error {
	if engine, ok := b.engine.(batchEngine); ok && !b.trace {
		return b.chunks(b.ops, func(n, done int) error {
			if err := before(); err != nil {
				return err
			}
			engine.Batch(n, func() []byte { return b.keyOf(next()) })
			found, err := engine.ChangeBatch(uint64(done))
			return checkFound(err, found, n, true)
		})
	}
	return b.repeat(b.ops, func(i int) error {
		if i%chunk == 0 {
			if err := before(); err != nil {
				return err
			}
		}
		return b.change(b.keyOf(next()), uint64(i))
	})
}

// change is one operation of rmw.
func (b *bench) change(key []byte, stamp uint64) error {
	value, found, err := b.engine.Get(key)
	if err := checkFound(err, count(found), 1, true); err != nil {
		return err
	}
	b.value = append(b.value[:0], value...)
	if len(b.value) >= 8 {
		binary.LittleEndian.PutUint64(b.value, stamp)
	}
	return b.engine.Put(key, b.value)
}

func nothing() error { return nil }

// rmwZipf is rmw with keys in a Zipf distribution with exponent 0.99, scattered over all keys.
func (b *bench) rmwZipf() error {
	// Draw the keys before the measurement: drawing one takes a tenth of the time of an operation.
	z := newZipf(b.random(), uint64(b.keys), 0.99)
	keys := make([]uint64, b.ops)
	for i := range keys {
		keys[i] = mix(z.next()) % uint64(b.keys)
	}
	at := -1
	return b.rmw(func() uint64 { at++; return keys[at] }, nothing)
}

// uniform returns a function that draws indices of existing keys with equal probability.
func (b *bench) uniform() func() uint64 {
	r := b.random()
	return func() uint64 { return r.Uint64N(uint64(b.keys)) }
}

func (b *bench) rmwUniform() error { return b.rmw(b.uniform(), nothing) }

// rmwSnapshots is rmw with a snapshot every snapshotEvery.
func (b *bench) rmwSnapshots() error {
	var last time.Time
	return b.rmw(b.uniform(), func() error {
		if time.Since(last) < snapshotEvery {
			return nil
		}
		last = time.Now()
		return b.engine.Snapshot()
	})
}

// delete deletes random keys, at most half of all keys.
func (b *bench) delete() error {
	order := newOrder(uint64(b.keys), 2)
	return b.repeat(min(b.ops, b.keys/2), func(int) error { return b.engine.Delete(b.keyOf(order.next())) })
}

// walk measures an iteration: each entry is one operation. It calls each for every entry.
func (b *bench) walk(walk func(do func(key, value []byte) error) error, each func() error) error {
	bytes := 0
	b.start()
	defer b.stop()
	return walk(func(key, value []byte) error {
		bytes += len(key) + len(value)
		if err := each(); err != nil {
			return err
		}
		return b.did()
	})
}

// scan iterates over all entries.
func (b *bench) scan() error {
	if err := b.walk(b.engine.Scan, nothing); err != nil {
		return err
	}
	if b.meter.done != b.keys {
		return fmt.Errorf("a scan has %d entries, want %d", b.meter.done, b.keys)
	}
	return nil
}

// scanWriting iterates over all entries, and overwrites a random entry after each.
func (b *bench) scanWriting() error {
	next := b.uniform()
	return b.walk(b.engine.Scan, func() error { return b.engine.Put(b.keyOf(next()), b.valueOf(b.meter.done)) })
}

// append appends to random values.
func (b *bench) append() error {
	r := b.random()
	lists := uint64(min(listCount, b.keys))
	return b.repeat(int(lists)*pieces, func(i int) error {
		return b.engine.Append(b.keyOf(r.Uint64N(lists)), b.valueOf(i)[:min(pieceBytes, b.valueBytes)])
	})
}

// getAppended reads random values that append has written. It does not check that they exist:
// one key in e^pieces got no append.
func (b *bench) getAppended() error {
	r := b.random()
	lists := uint64(min(listCount, b.keys))
	next := func() uint64 { return r.Uint64N(lists) }
	if engine, ok := b.engine.(batchEngine); ok && !b.trace {
		return b.chunks(b.ops, func(n, _ int) error {
			engine.Batch(n, func() []byte { return b.keyOf(next()) })
			_, err := engine.GetBatch()
			return err
		})
	}
	return b.repeat(b.ops, func(int) error {
		_, _, err := b.engine.Get(b.keyOf(next()))
		return err
	})
}

// mapPut puts the entries of all maps in a mixed order.
func (b *bench) mapPut() error {
	maps := b.maps()
	order := newOrder(maps*mapEntries, 3)
	return b.repeat(int(maps)*mapEntries, func(i int) error {
		n := order.next()
		b.key = mapKey(b.key[:0], n%maps, n/maps)
		return b.engine.Put(b.key, b.valueOf(i))
	})
}

// maps returns the number of maps.
func (b *bench) maps() uint64 { return uint64(max(1, min(mapCount, b.keys/mapEntries))) }

// mapIterate iterates over random maps: each entry is one operation.
func (b *bench) mapIterate() error {
	r := b.random()
	maps := b.maps()
	walks := max(1, b.ops/mapEntries)
	err := b.walk(func(do func(key, value []byte) error) error {
		for range walks {
			b.key = hashedKey(b.key[:0], r.Uint64N(maps))
			if err := b.engine.Prefix(slices.Clone(b.key), do); err != nil {
				return err
			}
		}
		return nil
	}, nothing)
	if err == nil && b.meter.done != walks*mapEntries {
		err = fmt.Errorf("%d maps have %d entries, want %d", walks, b.meter.done, walks*mapEntries)
	}
	return err
}
