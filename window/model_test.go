package window_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/window"
)

// windowCase is an assigner with small numbers, and a lateness.
type windowCase struct {
	size, slide, offset int64 // of sliding windows
	gap                 int64 // of sessions; 0 for sliding windows
	lateness            int64
}

func drawCase(t *rapid.T) (c windowCase) {
	c.lateness = rapid.SampledFrom([]int64{0, 7, 40}).Draw(t, "lateness")
	if rapid.Bool().Draw(t, "session") {
		c.gap = rapid.Int64Range(1, 6).Draw(t, "gap")
		return c
	}
	c.size = rapid.Int64Range(1, 12).Draw(t, "size")
	c.slide = rapid.Int64Range(1, c.size).Draw(t, "slide")
	c.offset = rapid.Int64Range(-20, 20).Draw(t, "offset")
	return c
}

func (c windowCase) assigner() window.Assigner {
	if c.gap > 0 {
		return window.Session(c.gap)
	}
	return window.Sliding(c.size, c.slide, c.offset)
}

// model is windows in a plain map. It does not know that numbers may overflow.
type model struct {
	windowCase
	watermark int64
	restarted bool // the watermark was higher before a restore
	panes     map[place]*pane
	out       output
}

// place is a window of a key.
type place struct {
	key string
	window.Window
}

// pane is the content of a window that is not over.
type pane struct {
	values []int64
	due    bool // the window fires when the watermark reaches its last time
}

func newModel(c windowCase) *model {
	return &model{windowCase: c, watermark: math.MinInt64, panes: make(map[place]*pane)}
}

func (m *model) add(key string, time, in int64) {
	late := true
	for _, w := range m.assign(time) {
		at, parts := m.union(place{key, w})
		if m.isOver(at) {
			continue
		}
		late = false
		p := &pane{due: at.End-1 > m.watermark}
		for _, part := range parts {
			p.values = append(p.values, m.panes[part].values...)
			delete(m.panes, part)
		}
		p.values = append(p.values, in)
		m.panes[at] = p
		if !p.due {
			m.emit(at)
		}
	}
	if late {
		_ = m.out.tooLate(key, time, in)
	}
}

// assign returns the windows of an element alone.
func (m *model) assign(time int64) (windows []window.Window) {
	if m.gap > 0 {
		return []window.Window{{Start: time, End: time + m.gap}}
	}
	for start := time - m.size + 1; start <= time; start++ {
		if (start-m.offset)%m.slide == 0 {
			windows = append(windows, window.Window{Start: start, End: start + m.size})
		}
	}
	return windows
}

// union returns a window together with the panes that merge into it, in order: the pane of the
// same window, and sessions that touch it.
func (m *model) union(at place) (whole place, parts []place) {
	whole = at
	for _, p := range m.places() {
		touches := m.gap > 0 && p.Start <= at.End && at.Start <= p.End
		if p.key == at.key && (touches || p.Window == at.Window) {
			whole.Start, whole.End = min(whole.Start, p.Start), max(whole.End, p.End)
			parts = append(parts, p)
		}
	}
	return whole, parts
}

func (m *model) places() []place {
	return slices.SortedFunc(maps.Keys(m.panes), func(a, b place) int { return cmp.Compare(a.Start, b.Start) })
}

func (m *model) advance(watermark int64) {
	m.watermark = watermark
	for at, p := range m.panes {
		if p.due && at.End-1 <= watermark {
			p.due = false
			m.emit(at)
		}
		if m.isOver(at) {
			delete(m.panes, at)
		}
	}
}

func (m *model) isOver(at place) bool { return at.End-1+m.lateness <= m.watermark }

func (m *model) emit(at place) {
	m.out.results = append(m.out.results, resultLine(at.key, at.Window, m.panes[at].values))
}

// comparison runs the same operations on windows and on the model.
type comparison struct {
	*fleet
	model *model
	now   int64
}

func (c *comparison) addElements(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "elements") {
		key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
		time := c.now + rapid.Int64Range(-30, 30).Draw(t, "time")
		in := rapid.Int64Range(0, 999).Draw(t, "in")
		c.add(key, time, in)
		c.model.add(key, time, in)
	}
}

func (c *comparison) raiseWatermark(t *rapid.T) {
	c.now += rapid.Int64Range(0, 20).Draw(t, "time passes")
	if at := c.now - rapid.Int64Range(0, 20).Draw(t, "disorder"); at > c.model.watermark {
		c.advance(at)
		c.model.advance(at)
	}
}

// restore restores into any number of tasks, whose watermark continues or starts again.
func (c *comparison) restore(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "restore") > 0 {
		return
	}
	c.restart(rapid.IntRange(1, 4).Draw(t, "tasks"))
	if rapid.Bool().Draw(t, "watermark starts again") {
		c.model.watermark, c.model.restarted = math.MinInt64, true
	} else {
		c.advance(c.model.watermark)
	}
}

// requireSame compares the results since the last call, in any order, and the number of timers:
// a window has one timer, or two if it will fire again because the watermark started again.
func (c *comparison) requireSame(t *rapid.T) {
	want := c.model.out
	c.model.out = output{}
	slices.Sort(want.results)
	require.Equal(t, want.results, slices.Sorted(slices.Values(c.take())))
	require.Equal(t, want.late, c.takeLate())
	timers, windows, most := 0, len(c.model.panes), len(c.model.panes)
	for _, task := range c.tasks {
		timers += task.timers(t)
	}
	if c.model.restarted && c.model.lateness > 0 {
		most = 2 * windows
	}
	require.GreaterOrEqual(t, timers, windows)
	require.LessOrEqual(t, timers, most)
}

func TestWindowsEmitTheResultsOfTheModel(t *testing.T) {
	declarations := []func(window.Assigner, int64) declare{aggregating, listing}
	for range density.Of(t, 1, 5, 200) {
		for name, open := range backends {
			t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
				w := drawCase(t)
				d := rapid.SampledFrom(declarations).Draw(t, "declaration")(w.assigner(), w.lateness)
				c := &comparison{fleet: newFleet(t, open, d, 1), model: newModel(w)}
				t.Repeat(map[string]func(*rapid.T){
					"add": c.addElements, "advance": c.raiseWatermark, "restore": c.restore, "": c.requireSame,
				})
				c.advance(math.MaxInt64)
				c.model.advance(math.MaxInt64 - 1000)
				c.requireSame(t)
				c.requireEmpty()
			}))
		}
	}
}

// If no element is late, the order of arrival does not change the results.
func TestResultsAreAFunctionOfTheEventMultiset(t *testing.T) {
	const disorder = 15
	type event struct{ time, in, delay int64 }
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
			return event{rapid.Int64Range(-50, 50).Draw(t, "time"), rapid.Int64Range(0, 20).Draw(t, "in"),
				rapid.Int64Range(0, disorder).Draw(t, "delay")}
		}), 1, 60).Draw(t, "events")
		d := listing(drawCase(t).assigner(), 0)
		results := func(tasks int, arrival func(event) int64) []string {
			f := newFleet(t, backends["hash"], d, tasks)
			highest := int64(math.MinInt64 + disorder + 1)
			for _, e := range slices.SortedStableFunc(slices.Values(events), func(a, b event) int { return cmp.Compare(arrival(a), arrival(b)) }) {
				f.add(fmt.Sprint("key ", e.in%3), e.time, e.in)
				highest = max(highest, e.time)
				f.advance(highest - disorder - 1)
			}
			f.advance(math.MaxInt64)
			f.requireEmpty()
			require.Empty(t, f.takeLate())
			return sortedValues(f.take())
		}
		want := results(1, func(e event) int64 { return e.time })
		require.NotEmpty(t, want)
		require.Equal(t, want, results(rapid.IntRange(1, 3).Draw(t, "tasks"), func(e event) int64 { return e.time + e.delay }))
	})
}
