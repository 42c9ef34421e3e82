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

// maxMemtableEntry limits what goes to a memtable.
const maxMemtableEntry = memtable.MaxEntryBytes

// isLarge says whether a write goes to a file of its own: a memtable would be
// full of it.
func (db *DB) isLarge(bytes int64) bool {
	return bytes > min(maxMemtableEntry, db.o.Budget.Limit()/16)
}

// applyLarge writes operations, of which there is too much for a memtable, as a
// run of their own, into a file. The lock is held while it does.
func (db *DB) applyLarge(bytes int64, operations []operation) (end logEnd, err error) {
	if err := db.makeRoomForRun(bytes); err != nil {
		return end, err
	}
	if err := db.seal(); err != nil {
		return end, err
	}
	if db.logs.lost != nil {
		return end, db.refuse()
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
		if op.kind != run.Delete { // nothing can look around yet
			db.o.Split.Prepare(&db.scratch.lookupKey, op.key)
			db.noteWrite(op.kind)
		}
	}
	db.writes++
	return end, db.beginRun(version.NewSealedFile(db.activeRun, f))
}

// writeLarge writes operations into a table, which is on the disk then.
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

// refuseLarge returns the error for a write whose table could not be made. The lock is
// held.
func (db *DB) refuseLarge(err error) error {
	if isFinal(err) {
		return db.failLocked(err)
	}
	return fmt.Errorf("%w: %w", ErrStalled, err)
}

// logLarge notes that a run is a file. Its name is durable before that. If the log
// cannot be written it may name the file all the same, which stays as long as the log.
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

// group is the entries with one prefix.
type group struct {
	tombstone bool
	points    map[string]*point
}

// point is what operations on one key come to.
type point struct {
	operation
	more [][]byte // appended since
}

// resolve makes a run of operations: at most one entry for a key, in order. The
// tombstone of a prefix takes the entries before it away.
func resolve(split *Split, operations []operation) []run.Entry {
	if len(operations) == 1 { // it may have a key of 2 GiB
		op := operations[0]
		return []run.Entry{{Key: op.key, Kind: op.kind, Value: run.Value{Bytes: op.value}}}
	}
	groups := make(map[string]*group)
	for _, op := range operations {
		prefix := string(op.key[:split.Func(op.key)])
		g := groups[prefix]
		if g == nil {
			g = &group{points: make(map[string]*point)}
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
		return cmp.Compare(b.Kind, a.Kind) // DeletePrefix is the highest
	})
	return entries
}

func (g *group) add(op operation) {
	if op.kind == run.DeletePrefix {
		*g = group{tombstone: true, points: make(map[string]*point)}
		return
	}
	there := g.points[string(op.key)]
	switch {
	case there == nil:
		g.points[string(op.key)] = &point{operation: op}
	case op.kind == run.Append && there.kind.HasValue():
		there.more = append(there.more, op.value)
	default:
		op.kind = there.kind.Then(op.kind)
		*there = point{operation: op}
	}
}

func (p *point) entry() run.Entry {
	value := p.value
	if len(p.more) > 0 {
		value = slices.Concat(append([][]byte{value}, p.more...)...)
	}
	return run.Entry{Key: p.key, Kind: p.kind, Value: run.Value{Bytes: value}}
}
