package job

import (
	"math"

	"github.com/weirstate/weir/checkpoint"
)

// aligner makes the marks of one stream out of those of its senders. The
// watermark is the lowest of all. A sender whose barrier has come is held, that
// is, none of its messages are taken, until the barriers of all have come:
// what is then taken in is what was sent before the barriers, and no more. A
// sender that has ended holds up nothing.
//
// A barrier of a newer checkpoint ends the wait for an older one, which was
// given up. It follows Carbone et al., Lightweight Asynchronous Snapshots for
// Distributed Dataflows, 2015.
type aligner struct {
	senders   []sender
	live      int // senders that have not ended
	watermark int64
	newest    checkpoint.ID // of the barriers that came
	waiting   int           // live senders without it; 0: it is aligned
	reached   []mark        // scratch
}

type sender struct {
	watermark   int64
	held, ended bool
}

func newAligner(senders int) *aligner {
	a := &aligner{senders: make([]sender, senders), live: senders, watermark: math.MinInt64}
	for i := range a.senders {
		a.senders[i].watermark = math.MinInt64
	}
	return a
}

// holds says whether messages of a sender must wait.
func (a *aligner) holds(from int) bool { return a.senders[from].held }

// take takes a mark of a sender that is not held. It returns the marks that the
// stream as a whole has reached by it, good until the next call.
func (a *aligner) take(from int, m mark) []mark {
	a.reached = a.reached[:0]
	switch m.kind {
	case watermarkMark:
		a.raise(from, m.watermark)
	case barrierMark:
		a.barrier(from, m.checkpoint)
	case endMark:
		a.end(from)
	}
	return a.reached
}

func (a *aligner) raise(from int, watermark int64) {
	a.senders[from].watermark = max(a.senders[from].watermark, watermark)
	lowest := int64(math.MaxInt64)
	for _, s := range a.senders {
		lowest = min(lowest, s.watermark)
	}
	if lowest > a.watermark {
		a.watermark = lowest
		a.reached = append(a.reached, mark{kind: watermarkMark, watermark: lowest})
	}
}

func (a *aligner) barrier(from int, id checkpoint.ID) {
	switch {
	case id < a.newest || id == a.newest && a.waiting == 0:
		return
	case id > a.newest:
		a.release()
		a.newest, a.waiting = id, a.live
	}
	a.senders[from].held = true
	a.arrive()
}

// arrive notes that a live sender is waited for no longer.
func (a *aligner) arrive() {
	if a.waiting--; a.waiting == 0 {
		a.release()
		a.reached = append(a.reached, mark{kind: barrierMark, checkpoint: a.newest})
	}
}

func (a *aligner) release() {
	for i := range a.senders {
		a.senders[i].held = false
	}
}

func (a *aligner) end(from int) {
	if a.senders[from].ended {
		return
	}
	a.senders[from].ended = true
	a.live--
	// All that this sender ever sent is from before the barriers.
	a.raise(from, math.MaxInt64)
	if a.waiting > 0 {
		a.arrive()
	}
	if a.live == 0 {
		a.reached = append(a.reached, mark{kind: endMark})
	}
}
