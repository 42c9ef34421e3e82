package state

import "github.com/weirstate/weir/state/codec"

// elementRules knows which elements a list on the heap may have, and in which form it keeps them.
type elementRules[E any] struct {
	codec  codec.Codec[E]
	allFit bool      // see allValuesFit
	normal func(E) E // codec.Normalizer; may be nil
}

func elementRulesOf[E any](l Limits, c codec.Codec[E]) elementRules[E] {
	return elementRules[E]{c, allValuesFit(l, c), codec.Normalizer(c)}
}

// normalized returns the elements in the form that Decode would return.
func (r *elementRules[E]) normalized(elements []E) []E {
	if r.normal == nil {
		return elements
	}
	kept := make([]E, len(elements))
	for i, e := range elements {
		kept[i] = r.normal(e)
	}
	return kept
}

// yieldElements yields a list, or the error of reading it. It ends with ErrClosed when the loop has
// closed the backend.
func yieldElements[K, V, E any](h *heapHandle[K, V], list []E, err error, yield func(E, error) bool) {
	for _, e := range list {
		if !yield(e, nil) {
			return
		}
		if h.table.registry.Closed() {
			err = h.wrap(ErrClosed)
			break
		}
	}
	if err != nil {
		var none E
		yield(none, err)
	}
}

// mergingList is a handle of a list on the heap as mergeLists uses it.
type mergingList[E any] interface {
	SetNamespace(namespace []byte) error
	Get() ([]E, error)
	append(elements []E) error
	Clear() error
	release()
}

// mergeLists is ListState.MergeNamespaces, given two new handles of the state. It releases them.
func mergeLists[E any](from, into mergingList[E], target []byte, sources [][]byte) error {
	defer from.release()
	defer into.release()
	if err := into.SetNamespace(target); err != nil {
		return err
	}
	for _, source := range distinctSources(target, sources) {
		if err := from.SetNamespace(source); err != nil {
			return err
		}
		list, err := from.Get()
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		if err := into.append(list); err != nil {
			return err
		}
		if err := from.Clear(); err != nil {
			return err
		}
	}
	return nil
}
