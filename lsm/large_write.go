package lsm

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// maxMemtableEntry is the size of the largest write that a memtable takes.
const maxMemtableEntry = memtable.MaxEntryBytes

// isLarge reports whether a write is too large for a memtable and becomes a table of its own.
func (db *DB) isLarge(bytes int64) bool {
	return bytes > min(maxMemtableEntry, db.o.Budget.Limit()/16)
}

// applyLarge writes operations that are too large for a memtable to a table, which becomes a
// sealed run. The caller holds the lock for all of it.
func (db *DB) applyLarge(bytes int64, operations []operation) (end logEnd, err error) {
	if err := db.makeRoomForRun(bytes); err != nil {
		return end, err
	}
	if err := db.seal(); err != nil {
		return end, err
	}
	if db.logs.lost != nil {
		return end, db.logLostError()
	}
	f, err := db.writeLarge(operations)
	if err != nil {
		return end, db.refuseLarge(err)
	}
	if db.logs.w != nil {
		if end, err = db.logLarge(f); err != nil {
			return end, err
		}
	}
	for _, op := range operations {
		if op.kind != run.Delete { // a Delete must not search for a gap: its run is not installed yet
			db.o.Split.Prepare(&db.scratch.lookupKey, op.key)
			db.updateGaps(op.kind)
		}
	}
	db.writes++
	return end, db.beginRun(version.NewSealedFile(db.activeRun, f))
}

// writeLarge writes operations to a synced table.
func (db *DB) writeLarge(operations []operation) (*version.File, error) {
	db.nextFile++
	return db.tables.WriteRun(db.nextFile-1, db.activeRun, nil, func(w *version.TableWriter) error {
		return db.guard(func() error {
			for _, e := range resolve(&db.o.Split, operations) {
				if err := w.Add(&e); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// refuseLarge returns the error of a write whose table could not be written. The caller holds
// the lock.
func (db *DB) refuseLarge(err error) error {
	if isFinal(err) {
		return db.failLocked(err)
	}
	return fmt.Errorf("%w: %w", ErrStalled, err)
}

// logLarge records in the log that the run is a table. It first makes the table's name durable.
// If the log fails, it may have the record nevertheless, so the table is kept as long as that
// log.
func (db *DB) logLarge(f *version.File) (end logEnd, err error) {
	name := directory.TableName(f.Number)
	if err := db.dir.Sync(); err != nil {
		return end, db.refuseLarge(errors.Join(err, f.Table.Close(), db.dir.Remove(name)))
	}
	end, err = db.logRecord(manifest.AppendFileMeta([]byte{recordFile}, &f.FileMeta))
	if err != nil {
		db.report(f.Table.Close())
		if db.status.failed == nil {
			db.logs.keepTable(name)
		}
	}
	return end, err
}

// prefixOps holds the result of the operations on one prefix.
type prefixOps struct {
	tombstone bool
	points    map[string]*keyOps
}

// keyOps holds the result of the operations on one key.
type keyOps struct {
	operation
	more [][]byte // values of later Append operations
}

// resolve combines operations to the entries of one run, sorted, at most one per key.
// DeletePrefix removes the earlier entries of its prefix.
func resolve(split *Split, operations []operation) []run.Entry {
	if len(operations) == 1 { // saves copies of a key of up to 2 GiB
		op := operations[0]
		return []run.Entry{{Key: op.key, Kind: op.kind, Value: run.Value{Bytes: op.value}}}
	}
	groups := make(map[string]*prefixOps)
	for _, op := range operations {
		prefix := string(op.key[:split.Func(op.key)])
		g := groups[prefix]
		if g == nil {
			g = &prefixOps{points: make(map[string]*keyOps)}
			groups[prefix] = g
		}
		g.add(op)
	}
	var entries []run.Entry
	for prefix, g := range groups {
		if g.tombstone {
			entries = append(entries, run.Entry{Key: []byte(prefix), Kind: run.DeletePrefix})
		}
		for _, p := range g.points {
			entries = append(entries, p.entry())
		}
	}
	slices.SortFunc(entries, func(a, b run.Entry) int {
		if c := bytes.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return cmp.Compare(b.Kind, a.Kind) // the tombstone first: DeletePrefix is the highest kind
	})
	return entries
}

// add applies an operation to the result of the earlier ones.
func (g *prefixOps) add(op operation) {
	if op.kind == run.DeletePrefix {
		*g = prefixOps{tombstone: true, points: make(map[string]*keyOps)}
		return
	}
	there := g.points[string(op.key)]
	switch {
	case there == nil:
		g.points[string(op.key)] = &keyOps{operation: op}
	case op.kind == run.Append && there.kind.HasValue():
		there.more = append(there.more, op.value)
	default:
		op.kind = there.kind.Then(op.kind)
		*there = keyOps{operation: op}
	}
}

// entry returns the key's entry, with all appended values joined.
func (p *keyOps) entry() run.Entry {
	value := p.value
	if len(p.more) > 0 {
		value = slices.Concat(append([][]byte{value}, p.more...)...)
	}
	return run.Entry{Key: p.key, Kind: p.kind, Value: run.Value{Bytes: value}}
}
