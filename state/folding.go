package state

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// ReducingState folds values of one type into one value for each key and namespace, in the
// order of arrival. Operations work on the current key of the Keyed and on the namespace of the
// handle.
//
// Thread safety: the task's goroutine only.
type ReducingState[V any] interface {
	// SetNamespace selects the namespace of later operations: see ValueState.
	SetNamespace(namespace []byte) error
	// Get returns the folded value. It returns false if nothing was added. The caller must
	// not modify the value.
	Get() (value V, ok bool, err error)
	// Add stores the first value unchanged and folds each later value into the stored one
	// by Reduce. If Reduce returns an error, Add returns it and the stored value stays. The
	// caller must modify neither v nor the result of Reduce afterwards.
	Add(v V) error
	// Clear removes the value. Clearing nothing is no error.
	Clear() error
	// MergeNamespaces folds the values of the source namespaces, in the order given, into
	// the value of the target namespace, and clears the sources. It skips a source that
	// equals the target or an earlier source. If Reduce returns an error, nothing has
	// changed. It works on the current key and does not depend on the handle's namespace.
	MergeNamespaces(target []byte, sources [][]byte) error
}

// ReducingDescriptor declares a ReducingState.
type ReducingDescriptor[V any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the values.
	Codec codec.Codec[V]
	// Reduce returns old with next folded in. It must not modify its arguments.
	Reduce func(old, next V) (V, error)
}

// ReducingOf declares a reducing state, or returns a further handle of it. Errors are those of
// ValueOf, and ErrInvalid without the function Reduce.
func ReducingOf[K, V any](k *Keyed[K], d ReducingDescriptor[V]) (ReducingState[V], error) {
	a, err := foldingOf(k, backend.KindReducing, d.Name, d.Codec, folding[V, V, V]{
		first: identity[V], add: d.Reduce, merge: d.Reduce, result: identity[V],
	}, d.Reduce == nil)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// AggregatingState folds values of type In into an accumulator for each key and namespace, in
// the order of arrival. Get computes a result of type Out from the accumulator.
//
// Thread safety: the task's goroutine only.
type AggregatingState[In, Out any] interface {
	// SetNamespace selects the namespace of later operations: see ValueState.
	SetNamespace(namespace []byte) error
	// Get returns the result of the accumulator. It returns false if nothing was added.
	Get() (result Out, ok bool, err error)
	// Add folds a value into the accumulator. If Add of the descriptor returns an error, the
	// old accumulator stays.
	Add(In) error
	// Clear removes the accumulator. Clearing nothing is no error.
	Clear() error
	// MergeNamespaces merges accumulators by Merge of the descriptor: see ReducingState.
	MergeNamespaces(target []byte, sources [][]byte) error
}

// AggregatingDescriptor declares an AggregatingState. All functions are required. None may
// modify its arguments.
type AggregatingDescriptor[In, Acc, Out any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the accumulators.
	Codec codec.Codec[Acc]
	// Create returns an empty accumulator.
	Create func() Acc
	// Add returns the accumulator with a value folded in.
	Add func(Acc, In) (Acc, error)
	// Merge returns an accumulator of target's values followed by source's values.
	Merge func(target, source Acc) (Acc, error)
	// Result returns the result of an accumulator.
	Result func(Acc) (Out, error)
}

// AggregatingOf declares an aggregating state, or returns a further handle of it. Errors are
// those of ValueOf, and ErrInvalid if a function is missing.
func AggregatingOf[K, In, Acc, Out any](k *Keyed[K], d AggregatingDescriptor[In, Acc, Out]) (AggregatingState[In, Out], error) {
	missing := d.Create == nil || d.Add == nil || d.Merge == nil || d.Result == nil
	create, add := d.Create, d.Add // so that the closure below does not keep d alive
	a, err := foldingOf(k, backend.KindAggregating, d.Name, d.Codec, folding[In, Acc, Out]{
		first: func(v In) (Acc, error) { return add(create(), v) },
		add:   add, merge: d.Merge, result: d.Result,
	}, missing)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// folding implements ReducingState and AggregatingState on a state that stores one value.
type folding[In, Acc, Out any] struct {
	ValueState[Acc]
	name      string
	namespace []byte // the handle's namespace; a merge changes and restores it
	first     func(In) (Acc, error)
	add       func(Acc, In) (Acc, error)
	merge     func(target, source Acc) (Acc, error)
	result    func(Acc) (Out, error)
}

func foldingOf[K, In, Acc, Out any](k *Keyed[K], kind backend.Kind, name string, c codec.Codec[Acc],
	f folding[In, Acc, Out], missing bool) (*folding[In, Acc, Out], error) {
	if missing {
		return nil, fmt.Errorf("state %q: a function of the %v descriptor is missing: %w", name, kind, ErrInvalid)
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
	f.namespace = append(f.namespace[:0], namespace...)
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
	return restoreNamespace(f.ValueState, f.namespace, f.mergeNamespaces(target, sources))
}

// mergeNamespaces computes the merged value before it writes anything.
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

// getIn moves the handle to a namespace and returns the stored value.
func (f *folding[In, Acc, Out]) getIn(namespace []byte) (acc Acc, ok bool, err error) {
	if err = f.ValueState.SetNamespace(namespace); err != nil {
		return acc, false, err
	}
	return f.ValueState.Get()
}

// namespaced is the part of a handle that merging uses.
type namespaced interface {
	SetNamespace([]byte) error
	Clear() error
}

// distinctSources returns the sources without the target and without repetitions.
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

// clearSources clears the handle's state in each source namespace.
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

// restoreNamespace moves a handle back to its namespace after a merge that ended with err. It
// returns err, or the error of moving.
func restoreNamespace(handle namespaced, namespace []byte, err error) error {
	if setErr := handle.SetNamespace(namespace); err == nil {
		err = setErr
	}
	return err
}
