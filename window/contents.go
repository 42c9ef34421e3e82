package window

import "github.com/weirstate/weir/state"

// contents is the state that holds the elements of windows, one namespace per window: an
// accumulator (folded) or the elements themselves (listed).
type contents[In, Out any] interface {
	SetNamespace(namespace []byte) error
	// Add adds an element. It reports whether the window may have been empty.
	Add(In) (first bool, err error)
	// Get returns the result. It returns false for an empty window.
	Get() (result Out, ok bool, err error)
	Clear() error
	MergeNamespaces(target []byte, sources [][]byte) error
}

// folded holds an accumulator per window.
type folded[In, Out any] struct {
	state.AggregatingState[In, Out]
	created bool // Create was called since the last Add began
}

// newFolded declares the state. It wraps Create, which the state calls for the first element
// of a window only, so that Add learns without a Get whether an element is the first.
func newFolded[K, In, Acc, Out any](k *state.Keyed[K], d state.AggregatingDescriptor[In, Acc, Out]) (*folded[In, Out], error) {
	f := new(folded[In, Out])
	if create := d.Create; create != nil {
		d.Create = func() Acc {
			f.created = true
			return create()
		}
	}
	var err error
	f.AggregatingState, err = state.AggregatingOf(k, d)
	return f, err
}

// Add implements contents.
func (f *folded[In, Out]) Add(in In) (first bool, err error) {
	f.created = false
	err = f.AggregatingState.Add(in)
	return f.created, err
}

// listed holds a list of elements per window.
//
// On a disk backend, a read of the list is slower than an Add, and reads up to a chunk of the list.
// So Add reads it only where the result is needed.
type listed[In any] struct {
	state.ListState[In]
	// blind makes Add report every element as the first, without a read. It is set for sessions,
	// which know whether they are new, and with a Lateness above 0, since each element registers
	// a timer then.
	blind bool
}

// Add implements contents.
func (l listed[In]) Add(in In) (first bool, err error) {
	first = true
	if !l.blind {
		if first, err = l.isEmpty(); err != nil {
			return false, err
		}
	}
	return first, l.ListState.Add(in)
}

func (l listed[In]) isEmpty() (bool, error) {
	for _, err := range l.All() {
		return false, err
	}
	return true, nil
}

// Get implements contents.
func (l listed[In]) Get() ([]In, bool, error) {
	list, err := l.ListState.Get()
	return list, len(list) > 0, err
}
