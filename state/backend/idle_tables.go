package backend

import "github.com/weirstate/weir/internal/statebind"

// idleTables is a queue of the heap tables that have become empty and still hold the memory of
// their former rows. A snapshot releases the memory of a table that has not changed since the
// previous snapshot. So a table that is filled and emptied in turn does not allocate its memory
// each time. A table that never had more than one row is not queued.
//
// Thread safety: that of the registry.
type idleTables struct{ queue []idleTable }

// idleTable is a table that was empty when it was queued.
type idleTable struct {
	table   statebind.Trimmable
	changes uint64 // table.Changes at the last snapshot, if seen
	seen    bool   // a snapshot has checked the table
}

// trimsPerSnapshot is the maximum number of idle tables that a snapshot checks, so that its
// pause does not depend on the number of states.
const trimsPerSnapshot = 64

// add queues a table. The table must not be in the queue.
func (l *idleTables) add(t statebind.Trimmable) { l.queue = append(l.queue, idleTable{table: t}) }

// trim checks the first tables of the queue at a snapshot. It releases the memory of those that
// have not changed since the previous snapshot, and moves the others to the end.
func (l *idleTables) trim() {
	n := min(len(l.queue), trimsPerSnapshot)
	for _, i := range l.queue[:n] {
		if now := i.table.Changes(); !i.seen || now != i.changes {
			l.queue = append(l.queue, idleTable{i.table, now, true})
			continue
		}
		i.table.Trim()
	}
	clear(l.queue[:n])
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
}
