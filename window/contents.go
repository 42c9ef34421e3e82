package window

import "github.com/weirstate/weir/state"

// contents is what windows hold, as a state: one of elements that are folded, or
// a list of them.
type contents[In, Out any] interface {
	SetNamespace(namespace []byte) error
	// Add adds an element and says whether it is the first.
	Add(In) (first bool, err error)
	// Get returns the result, ok false if nothing was added.
	Get() (result Out, ok bool, err error)
	Clear() error
	MergeNamespaces(target []byte, sources [][]byte) error
}

type folded[In, Out any] struct {
	state.AggregatingState[In, Out]
	first bool
}

// newFolded declares the state. It learns from Create, which is called for the
// first element and no other, what a Get before each Add would have to find out.
func newFolded[K, In, Acc, Out any](k *state.Keyed[K], d state.AggregatingDescriptor[In, Acc, Out]) (*folded[In, Out], error) {
	f := new(folded[In, Out])
	if create := d.Create; create != nil {
		d.Create = func() Acc {
			f.first = true
			return create()
		}
	}
	var err error
	f.AggregatingState, err = state.AggregatingOf(k, d)
	return f, err
}

func (f *folded[In, Out]) Add(in In) (first bool, err error) {
	f.first = false
	err = f.AggregatingState.Add(in)
	return f.first, err
}

type listed[In any] struct{ state.ListState[In] }

func (l listed[In]) Add(in In) (first bool, err error) {
	if first, err = l.isEmpty(); err != nil {
		return false, err
	}
	return first, l.ListState.Add(in)
}

func (l listed[In]) isEmpty() (bool, error) {
	for _, err := range l.All() {
		return false, err
	}
	return true, nil
}

func (l listed[In]) Get() ([]In, bool, error) {
	list, err := l.ListState.Get()
	return list, len(list) > 0, err
}
