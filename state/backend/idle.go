package backend

import "github.com/weirstate/weir/internal/statebind"

// idleTables are the heap tables that became empty and still have the memory of their
// rows. A table that is filled and emptied in turn must not pay for that memory each
// time, so it is given back at a snapshot, and only by a table that nothing has changed
// since the snapshot before. A table whose rows never needed a second slot does not
// come here: it has too little to give.
//
// Thread safety: as for the registry.
type idleTables struct{ queue []idleTable }

// idleTable is a table that was empty.
type idleTable struct {
	table   statebind.Trimmable
	changes uint64 // of the table when a snapshot last saw it
	seen    bool   // by a snapshot
}

// trimsPerSnapshot bounds how many idle tables a snapshot looks at, since its pause must
// not depend on the number of states.
const trimsPerSnapshot = 64

// add appends a table, which must not be in the list.
func (l *idleTables) add(t statebind.Trimmable) { l.queue = append(l.queue, idleTable{table: t}) }

// trim is called at each snapshot.
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
