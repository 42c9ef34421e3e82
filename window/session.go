package window

import (
	"math"
	"slices"

	"github.com/weirstate/weir/state"
)

// sessions are the sessions of each key that are not over. Contents stay under
// the namespace that they began in while their session grows, so the map leads
// from the window of a session to the one whose namespace has its contents.
//
// Invariant: the windows of a key do not touch. The window of the contents is
// inside the session's own, so no other session has its contents there.
type sessions struct{ state.MapState[Window, Window] }

func sessionsOf[K any](k *state.Keyed[K], name string) (*sessions, error) {
	m, err := state.MapOf(k, state.MapDescriptor[Window, Window]{Name: name, Key: windowCodec, Value: windowCodec})
	if err != nil {
		return nil, err
	}
	return &sessions{m}, nil
}

// union is a session as an element makes it.
type union struct {
	window Window
	// space has the contents: where those of the first part are.
	space Window
	// parts are the sessions of which the element makes one, in order.
	parts []state.Entry[Window, Window]
}

// union returns the session that an element of the current key will be in.
// Nothing changes yet: it may be over. It goes from the latest session that touches the
// element down to the first that does not: by the invariant none below does either.
func (s *sessions) union(element Window) (union, error) {
	u := union{window: element, space: element}
	last := Window{element.End, math.MaxInt64}
	for {
		part, ok, err := s.Floor(last)
		if err != nil {
			return u, err
		}
		if !ok || part.Key.End < element.Start {
			slices.Reverse(u.parts)
			return u, nil
		}
		u.window = Window{min(u.window.Start, part.Key.Start), max(u.window.End, part.Key.End)}
		u.space = part.Value
		u.parts = append(u.parts, part)
		last = Window{part.Key.Start, part.Key.End - 1}
	}
}

// moved says whether the session has another window than before.
func (u *union) moved() bool { return len(u.parts) != 1 || u.parts[0].Key != u.window }

// sources are the namespaces whose contents go to those of the first part.
func (u *union) sources() (sources [][]byte) {
	for i, part := range u.parts {
		if i > 0 {
			sources = append(sources, part.Value.appendNamespace(nil))
		}
	}
	return sources
}
