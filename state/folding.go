package state

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// ReducingState folds values of one type into one value for each key and
// namespace, in the order of arrival. Operations work on the current key of
// the Keyed and on the handle's own namespace.
type ReducingState[V any] interface {
	// SetNamespace is as for ValueState.
	SetNamespace(namespace []byte) error
	// Get returns the value, ok false if nothing was added.
	Get() (value V, ok bool, err error)
	// Add stores the first value as it is and folds each further one into what
	// is there. On an error of the function the old value stays. Neither the
	// value nor what the function returned may be modified afterwards.
	Add(V) error
	// Clear removes the value.
	Clear() error
	// MergeNamespaces folds the values of the sources, in the order given,
	// into the target's and clears the sources. A source that is the target is
	// passed over. On an error of the function nothing has changed. It works
	// on the current key, whatever the handle's namespace.
	MergeNamespaces(target []byte, sources [][]byte) error
}

// ReducingDescriptor declares a ReducingState.
type ReducingDescriptor[V any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the values.
	Codec codec.Codec[V]
	// Reduce folds next into old and returns the result. It must not modify
	// its arguments.
	Reduce func(old, next V) (V, error)
}

// ReducingOf declares a reducing state, or returns a further handle of it. It
// returns ErrStateMismatch if the name is declared with another kind or codec.
func ReducingOf[K, V any](k *Keyed[K], d ReducingDescriptor[V]) (ReducingState[V], error) {
	a, err := foldingOf(k, backend.KindReducing, d.Name, d.Codec, folding[V, V, V]{
		first: same[V], add: d.Reduce, merge: d.Reduce, result: same[V],
	}, d.Reduce == nil)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// AggregatingState folds values of type In into an accumulator for each key
// and namespace, in the order of arrival, and reads a result out of it.
type AggregatingState[In, Out any] interface {
	// SetNamespace is as for ValueState.
	SetNamespace(namespace []byte) error
	// Get returns the result, ok false if nothing was added.
	Get() (result Out, ok bool, err error)
	// Add folds a value into the accumulator. On an error of a function the
	// old accumulator stays.
	Add(In) error
	// Clear removes the accumulator.
	Clear() error
	// MergeNamespaces is as for ReducingState, by the Merge function.
	MergeNamespaces(target []byte, sources [][]byte) error
}

// AggregatingDescriptor declares an AggregatingState. All functions are
// required; none may modify its arguments.
type AggregatingDescriptor[In, Acc, Out any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the accumulators.
	Codec codec.Codec[Acc]
	// Create returns the accumulator of nothing.
	Create func() Acc
	// Add folds a value into an accumulator and returns the result.
	Add func(Acc, In) (Acc, error)
	// Merge joins two accumulators, the target's first.
	Merge func(target, source Acc) (Acc, error)
	// Result reads an accumulator out.
	Result func(Acc) (Out, error)
}

// AggregatingOf declares an aggregating state, or returns a further handle of
// it. It returns ErrStateMismatch if the name is declared with another kind or
// codec.
func AggregatingOf[K, In, Acc, Out any](k *Keyed[K], d AggregatingDescriptor[In, Acc, Out]) (AggregatingState[In, Out], error) {
	missing := d.Create == nil || d.Add == nil || d.Merge == nil || d.Result == nil
	create, add := d.Create, d.Add // the closure shall not keep all of d
	a, err := foldingOf(k, backend.KindAggregating, d.Name, d.Codec, folding[In, Acc, Out]{
		first: func(v In) (Acc, error) { return add(create(), v) },
		add:   add, merge: d.Merge, result: d.Result,
	}, missing)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// folding is both kinds on top of a state that stores one value.
type folding[In, Acc, Out any] struct {
	ValueState[Acc]
	name   string
	space  []byte // the handle's namespace, restored after a merge
	first  func(In) (Acc, error)
	add    func(Acc, In) (Acc, error)
	merge  func(target, source Acc) (Acc, error)
	result func(Acc) (Out, error)
}

func foldingOf[K, In, Acc, Out any](k *Keyed[K], kind backend.Kind, name string, c codec.Codec[Acc],
	f folding[In, Acc, Out], missing bool) (*folding[In, Acc, Out], error) {
	if missing {
		return nil, fmt.Errorf("state %q: %v state needs all its functions: %w", name, kind, ErrInvalid)
	}
	value, err := valueOf(k, kind, ValueDescriptor[Acc]{Name: name, Codec: c})
	if err != nil {
		return nil, err
	}
	f.ValueState, f.name = value, name
	return &f, nil
}

func (f *folding[In, Acc, Out]) SetNamespace(namespace []byte) error {
	if err := f.ValueState.SetNamespace(namespace); err != nil {
		return err
	}
	f.space = append(f.space[:0], namespace...)
	return nil
}

func (f *folding[In, Acc, Out]) Get() (result Out, ok bool, err error) {
	acc, ok, err := f.ValueState.Get()
	if err != nil || !ok {
		return result, false, err
	}
	if result, err = f.result(acc); err != nil {
		return result, false, wrapState(f.name, err)
	}
	return result, true, nil
}

func (f *folding[In, Acc, Out]) Add(v In) error {
	acc, ok, err := f.ValueState.Get()
	if err != nil {
		return err
	}
	if ok {
		acc, err = f.add(acc, v)
	} else {
		acc, err = f.first(v)
	}
	if err != nil {
		return wrapState(f.name, err)
	}
	return f.ValueState.Set(acc)
}

func (f *folding[In, Acc, Out]) MergeNamespaces(target []byte, sources [][]byte) error {
	return restoreNamespace(f.ValueState, f.space, f.mergeNamespaces(target, sources))
}

// mergeNamespaces computes the whole result before it writes anything.
func (f *folding[In, Acc, Out]) mergeNamespaces(target []byte, sources [][]byte) error {
	merged, ok, err := f.getIn(target)
	if err != nil {
		return err
	}
	sources = distinctSources(target, sources)
	changed := false
	for _, source := range sources {
		acc, found, err := f.getIn(source)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if ok {
			if acc, err = f.merge(merged, acc); err != nil {
				return wrapState(f.name, err)
			}
		}
		merged, ok, changed = acc, true, true
	}
	if !changed {
		return nil
	}
	if err := f.ValueState.SetNamespace(target); err != nil {
		return err
	}
	if err := f.ValueState.Set(merged); err != nil {
		return err
	}
	return clearSources(f.ValueState, sources)
}

func (f *folding[In, Acc, Out]) getIn(namespace []byte) (acc Acc, ok bool, err error) {
	if err = f.ValueState.SetNamespace(namespace); err != nil {
		return acc, false, err
	}
	return f.ValueState.Get()
}

// namespaced is what merging needs of a handle.
type namespaced interface {
	SetNamespace([]byte) error
	Clear() error
}

// distinctSources drops the target and repetitions from the sources.
func distinctSources(target []byte, sources [][]byte) [][]byte {
	distinct := make([][]byte, 0, len(sources))
	for _, s := range sources {
		same := func(other []byte) bool { return string(other) == string(s) }
		if !same(target) && !slices.ContainsFunc(distinct, same) {
			distinct = append(distinct, s)
		}
	}
	return distinct
}

func clearSources(handle namespaced, sources [][]byte) error {
	for _, s := range sources {
		if err := handle.SetNamespace(s); err != nil {
			return err
		}
		if err := handle.Clear(); err != nil {
			return err
		}
	}
	return nil
}

// restoreNamespace puts a handle back where it was before a merge.
func restoreNamespace(handle namespaced, namespace []byte, err error) error {
	if back := handle.SetNamespace(namespace); err == nil {
		err = back
	}
	return err
}
