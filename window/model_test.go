package window_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/window"
)

// windowCase is windows of some sort.
type windowCase struct {
	size, slide, offset int64 // of sliding windows
	gap                 int64 // of sessions, 0 for sliding windows
	lateness            int64
}

func (c windowCase) assigner() window.Assigner {
	if c.gap > 0 {
		return window.Session(c.gap)
	}
	return window.Sliding(c.size, c.slide, c.offset)
}

var windowCases = []windowCase{
	{size: 10, slide: 10},
	{size: 10, slide: 10, offset: -3, lateness: 7},
	{size: 10, slide: 3, offset: 1},
	{size: 7, slide: 7, offset: 100, lateness: 30},
	{size: 12, slide: 4, lateness: 10},
	{gap: 4},
	{gap: 5, lateness: 9},
	{gap: 2, lateness: 40},
}

// model says what windows should emit, by looking at all elements each time. It
// is for small times only.
type model struct {
	windowCase
	watermark int64
	anew      bool // it was higher before a restore
	// live are the elements of windows that are not over, in the order of
	// arrival; of sliding windows each has its own.
	live    map[place][]element
	due     map[place]bool // the watermark will make it fire
	results []string
	late    []string
}

func newModel(c windowCase) *model {
	return &model{windowCase: c, watermark: math.MinInt64, live: make(map[place][]element), due: make(map[place]bool)}
}

// place is a window of a key; the elements of all its sessions are under the
// zero window.
type place struct {
	key string
	window.Window
}

type element struct{ time, in int64 }

func (m *model) add(key string, time, in int64) {
	added := false
	for _, at := range m.assign(key, element{time, in}) {
		if m.isOver(at) {
			continue
		}
		added = true
		home := m.home(at)
		m.live[home] = append(m.live[home], element{time, in})
		for old := range m.due { // parts of a session
			if m.gap > 0 && old.key == key && old.Start >= at.Start && old.End <= at.End {
				delete(m.due, old)
			}
		}
		if m.due[at] = at.End-1 > m.watermark; !m.due[at] {
			m.emit(at)
		}
	}
	if !added {
		var o output
		_ = o.tooLate(key, time, in)
		m.late = append(m.late, o.late...)
	}
}

func (m *model) advance(watermark int64) {
	m.watermark = watermark
	for _, at := range m.places() {
		if m.due[at] && at.End-1 <= watermark {
			delete(m.due, at)
			m.emit(at)
		}
		if m.isOver(at) {
			m.forget(at)
		}
	}
}

func (m *model) isOver(at place) bool { return at.End-1+m.lateness <= m.watermark }

// home is where the elements of a window are.
func (m *model) home(at place) place {
	if m.gap > 0 {
		return place{key: at.key}
	}
	return at
}

// assign is the windows of an element with those that are there.
func (m *model) assign(key string, e element) (at []place) {
	if m.gap > 0 {
		for _, w := range sessionsIn(append(slices.Clone(m.live[place{key: key}]), e), m.gap) {
			if w.Start <= e.time && e.time < w.End {
				at = append(at, place{key, w})
			}
		}
		return at
	}
	for start := e.time - m.size + 1; start <= e.time; start++ {
		if (start-m.offset)%m.slide == 0 {
			at = append(at, place{key, window.Window{Start: start, End: start + m.size}})
		}
	}
	return at
}

// places are all windows that are there.
func (m *model) places() (at []place) {
	for home, elements := range m.live {
		if m.gap == 0 {
			at = append(at, home)
			continue
		}
		for _, w := range sessionsIn(elements, m.gap) {
			at = append(at, place{home.key, w})
		}
	}
	return at
}

// sessionsIn are the sessions that elements make, in order.
func sessionsIn(elements []element, gap int64) (sessions []window.Window) {
	times := make(map[int64]bool)
	for _, e := range elements {
		times[e.time] = true
	}
	for _, t := range slices.Sorted(maps.Keys(times)) {
		if last := len(sessions) - 1; last >= 0 && sessions[last].End >= t {
			sessions[last].End = t + gap
		} else {
			sessions = append(sessions, window.Window{Start: t, End: t + gap})
		}
	}
	return sessions
}

func (m *model) emit(at place) {
	var values []int64
	for _, e := range m.live[m.home(at)] {
		if at.Start <= e.time && e.time < at.End {
			values = append(values, e.in)
		}
	}
	m.results = append(m.results, resultLine(at.key, at.Window, values))
}

func (m *model) forget(at place) {
	home := m.home(at)
	m.live[home] = slices.DeleteFunc(m.live[home], func(e element) bool { return at.Start <= e.time && e.time < at.End })
	delete(m.due, at)
	if len(m.live[home]) == 0 {
		delete(m.live, home)
	}
}

// Windows do what the model says, whatever comes when, and across restores in
// between, into any number of tasks whose watermark begins anew or goes on.
func TestWindowsEmitWhatTheModelSays(t *testing.T) {
	seeds := density.Of(t, 2, 5, 200)
	for backend, open := range backends {
		for i, c := range windowCases {
			for kind, d := range map[string]declare{
				"aggregate": aggregating(c.assigner(), c.lateness),
				"list":      listing(c.assigner(), c.lateness),
			} {
				t.Run(fmt.Sprint(backend, "/", kind, "/", c), func(t *testing.T) {
					for seed := range seeds {
						compare(t, newFleet(t, open, d, 1), newModel(c), rand.New(rand.NewPCG(uint64(i), uint64(seed))))
					}
				})
			}
		}
	}
}

// compare does the same random things to windows and model.
func compare(t *testing.T, f *fleet, m *model, r *rand.Rand) {
	now := int64(-50)
	for range 300 {
		switch n := r.IntN(100); {
		case n < 75:
			key, time, in := fmt.Sprint("key ", r.IntN(4)), now+r.Int64N(60)-30, r.Int64N(1000)
			f.add(key, time, in)
			m.add(key, time, in)
		case n < 97:
			now += r.Int64N(8)
			if at := now - r.Int64N(20); at > m.watermark {
				f.advance(at)
				m.advance(at)
			}
		default:
			f.restart(1 + r.IntN(4))
			if r.IntN(2) == 0 {
				m.watermark, m.anew = math.MinInt64, true
			} else {
				f.advance(m.watermark)
			}
		}
		requireSame(t, f, m)
	}
	f.advance(math.MaxInt64)
	m.advance(math.MaxInt64 - 1000) // it does not know that numbers end
	requireSame(t, f, m)
	f.requireEmpty()
	require.Empty(t, m.live)
}

// requireSame compares what came out since the last call. The model has no order
// of timers, and knows the elements of a session in the order of arrival only.
func requireSame(t *testing.T, f *fleet, m *model) {
	t.Helper()
	got := f.take()
	if m.gap > 0 {
		sortValues(got)
		sortValues(m.results)
	}
	slices.Sort(got)
	slices.Sort(m.results)
	require.Equal(t, m.results, got)
	require.Equal(t, m.late, f.takeLate())
	m.results, m.late = nil, nil
	requireTimers(t, f, m)
}

// requireTimers: a window has one timer, or a second one when it fires once more
// because the watermark began anew.
func requireTimers(t *testing.T, f *fleet, m *model) {
	t.Helper()
	timers, windows := 0, len(m.places())
	for _, task := range f.tasks {
		timers += task.timers(t)
	}
	if m.anew && m.lateness > 0 {
		require.GreaterOrEqual(t, timers, windows)
		require.LessOrEqual(t, timers, 2*windows)
	} else {
		require.Equal(t, windows, timers)
	}
}

// sortValues sorts what stands in the brackets of each line.
func sortValues(lines []string) {
	for i, line := range lines {
		head, values, _ := strings.Cut(strings.TrimSuffix(line, "]"), "[")
		sorted := slices.Sorted(slices.Values(strings.Fields(values)))
		lines[i] = head + fmt.Sprint(sorted)
	}
}
