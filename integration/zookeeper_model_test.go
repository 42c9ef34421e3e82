package integration

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/weirstate/weir/checkpoint"
)

// A history of the operations of several coordinators on the completed store of one job is correct if there
// is one order of the operations, in keeping with the times at which they began and ended, in which a store
// with a single thread returns the same results. porcupine searches for such an order.

// operation is one operation on the store, or the effect that one may have had.
type operation struct {
	kind    string               // begin, commit, remove, list, reserve
	attempt checkpoint.AttemptID // of commit and remove: the attempt of the store
	id      checkpoint.ID        // of commit and remove; of reserve: the lowest ID asked for
	n       int                  // of reserve
	excused bool                 // of commit and remove: a begin without a result may have fenced it
}

// result is the result of an operation.
type result struct {
	outcome string               // ok, fenced, exists, unknown
	attempt checkpoint.AttemptID // of begin
	first   checkpoint.ID        // of reserve
	ids     string               // of list: the IDs
}

// storeState is the state of the model: comparable, so that porcupine finds equal ones.
type storeState struct {
	attempt checkpoint.AttemptID // the newest attempt whose number is known
	burned  bool                 // a later attempt, whose number nobody knows, has begun
	entries string               // the IDs of the entries, in order
	next    checkpoint.ID        // the lowest ID that is not reserved
}

// idsText returns IDs as a text.
func idsText(ids []checkpoint.ID) string {
	slices.Sort(ids)
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "%d ", id)
	}
	return b.String()
}

// parseIDs parses a text that idsText has made.
func parseIDs(text string) (ids []checkpoint.ID) {
	for _, field := range strings.Fields(text) {
		var id checkpoint.ID
		_, _ = fmt.Sscan(field, &id)
		ids = append(ids, id)
	}
	return ids
}

// has reports whether an entry exists.
func (s storeState) has(id checkpoint.ID) bool {
	return strings.Contains(" "+s.entries, fmt.Sprintf(" %d ", id))
}

// with returns the state with, or without, an entry.
func (s storeState) with(id checkpoint.ID, exists bool) storeState {
	set := make(map[checkpoint.ID]bool)
	for _, id := range parseIDs(s.entries) {
		set[id] = true
	}
	delete(set, id)
	if exists {
		set[id] = true
	}
	s.entries = idsText(slices.Collect(maps.Keys(set)))
	return s
}

// storeModel is the sequential specification of checkpoint.Completed and checkpoint.IDReserver.
//
// An operation whose outcome is unknown has no end, so that it may take effect at any time after its
// beginning, or after everything else. A begin that fails, or that is repeated after a lost connection, may
// have fenced the earlier attempt without a number. The model assumes that it has once an operation that has
// this excuse is fenced; the earlier attempt must be fenced from then on.
var storeModel = porcupine.Model{
	Init: func() any { return storeState{next: 1} },
	Step: func(state, input, output any) (bool, any) {
		s, o, r := state.(storeState), input.(operation), output.(result)
		current := s.attempt == o.attempt && !s.burned
		switch o.kind {
		case "begin":
			ok := r.attempt > s.attempt
			s.attempt, s.burned = r.attempt, false
			return ok, s
		case "commit":
			switch r.outcome {
			case "ok":
				return current && !s.has(o.id), s.with(o.id, true)
			case "fenced":
				s.burned = s.burned || current
				return !current || o.excused, s
			case "exists":
				return s.has(o.id), s
			}
			if current && !s.has(o.id) {
				s = s.with(o.id, true)
			}
			return true, s
		case "remove":
			switch r.outcome {
			case "ok":
				return current, s.with(o.id, false)
			case "fenced":
				s.burned = s.burned || current
				return !current || o.excused, s
			}
			if current {
				s = s.with(o.id, false)
			}
			return true, s
		case "list":
			return r.ids == s.entries, s
		case "reserve":
			ok := r.first >= max(s.next, o.id)
			s.next = r.first + checkpoint.ID(o.n)
			return ok, s
		}
		return false, s
	},
	// IDs are independent of everything else.
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		var parts [2][]porcupine.Operation
		for _, o := range history {
			i := 0
			if o.Input.(operation).kind == "reserve" {
				i = 1
			}
			parts[i] = append(parts[i], o)
		}
		return parts[:]
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// prepared returns a history whose operations with an unknown outcome are easier to place. A commit whose
// entry nobody sees afterwards is left out: it has no effect on any result. One whose entry is seen, and that
// no other commit can have created, has ended by then. Operations that were fenced are excused if a begin may
// have fenced them.
func prepared(all []porcupine.Operation) (history []porcupine.Operation) {
	for _, o := range all {
		in, out := o.Input.(operation), o.Output.(result)
		switch {
		case in.kind == "begin" && out.outcome == "unknown":
			continue
		case in.kind == "commit" && out.outcome == "unknown":
			seen, others := fateOf(all, o)
			if seen == math.MaxInt64 {
				continue
			}
			if others == 0 {
				o.Return = seen
			}
		case out.outcome == "fenced":
			in.excused = slices.ContainsFunc(all, func(b porcupine.Operation) bool {
				return b.Input.(operation).kind == "begin" && b.Call < o.Return && b.Return > o.Call
			})
			o.Input = in
		}
		history = append(history, o)
	}
	return history
}

// fateOf returns the end of the first operation that has seen the entry of a commit after it began, and the
// number of other commits of the same ID.
func fateOf(all []porcupine.Operation, commit porcupine.Operation) (seen int64, others int) {
	seen, others = math.MaxInt64, -1
	id := commit.Input.(operation).id
	for _, o := range all {
		in, out := o.Input.(operation), o.Output.(result)
		if in.kind == "commit" && in.id == id {
			others++
		}
		sees := slices.Contains(parseIDs(out.ids), id) || in.id == id && out.outcome == "exists"
		if sees && o.Return > commit.Call {
			seen = min(seen, o.Return)
		}
	}
	return seen, others
}
