package window

import (
	"math"
	"slices"

	"github.com/weirstate/weir/state"
)

// sessions is a map state that holds the open sessions of each key.
//
// The problem: a session grows with each element, so its window changes, but its contents
// are state in a namespace that cannot be renamed. The contents therefore stay in the
// namespace where they began, which is the window of one of the first elements, and the map
// leads from the current window of a session to that namespace:
//
//	element at 3, gap 10     [3,13)  → [3,13)
//	element at 9             [3,19)  → [3,13)             the session grows, its contents stay
//	element at 25            [3,19)  → [3,13)   [25,35) → [25,35)
//	element at 16            [3,35)  → [3,13)             MergeNamespaces moves [25,35) to [3,13)
//
// Invariant: the windows of a key neither overlap nor touch.
//
// Invariant: the namespace of a session is a window inside the session's own window. So two
// sessions never have the same namespace.
//
// By the first invariant the ends of the windows are ordered like their starts, and no window
// before one that begins at or before the element can touch the element. So an element needs one
// Floor lookup if it falls into a session or extends its end. Otherwise it needs one lookup per
// session that it joins and one more, however many sessions of the key are open.
type sessions struct{ state.MapState[Window, Window] }

func declareSessions[K any](k *state.Keyed[K], name string) (*sessions, error) {
	m, err := state.MapOf(k, state.MapDescriptor[Window, Window]{Name: name, Key: windowCodec, Value: windowCodec})
	if err != nil {
		return nil, err
	}
	return &sessions{m}, nil
}

// union is the session that an element makes together with the sessions that it touches.
type union struct {
	window Window
	// namespace is the window whose namespace will hold the contents: that of the first
	// part, or that of the element if there is no part.
	namespace Window
	// parts are the sessions that the element touches, in order.
	parts []state.Entry[Window, Window]
}

// union returns the union of an element of the current key. It changes nothing, since the
// union may be over already. It searches from the latest session that may touch the element
// downwards, and stops at the first one that does not touch it, or that begins at or before it:
// earlier ones do not touch it either.
func (s *sessions) union(element Window) (union, error) {
	u := union{window: element, namespace: element}
	last := Window{element.End, math.MaxInt64}
	for {
		part, ok, err := s.Floor(last)
		if err != nil {
			return u, err
		}
		if !ok || part.Key.End < element.Start {
			break
		}
		u.window = Window{min(u.window.Start, part.Key.Start), max(u.window.End, part.Key.End)}
		u.namespace = part.Value
		u.parts = append(u.parts, part)
		if part.Key.Start <= element.Start {
			break
		}
		last = Window{part.Key.Start, part.Key.End - 1}
	}
	slices.Reverse(u.parts)
	return u, nil
}

// windowChanged reports whether the union has another window than its only part, or has no
// part or several.
func (u *union) windowChanged() bool { return len(u.parts) != 1 || u.parts[0].Key != u.window }

// sources returns the namespaces of all parts except the first. Their contents move to that
// of the first.
func (u *union) sources() (sources [][]byte) {
	for i, part := range u.parts {
		if i > 0 {
			sources = append(sources, part.Value.appendNamespace(nil))
		}
	}
	return sources
}
