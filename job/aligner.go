package job

import (
	"math"

	"github.com/weirstate/weir/checkpoint"
)

// aligner combines the control events of all senders of a subtask into those of the
// subtask's whole input:
//
//	control     passed on when                                until then
//	watermark   the lowest watermark of all senders rises     -
//	barrier n   barrier n of every live sender has arrived    senders with barrier n are blocked
//	end         every sender has ended                        ended senders hold nothing back
//
// A barrier of a newer checkpoint ends the wait for an older one, which the coordinator has
// aborted; barriers of the older checkpoint that arrive later are ignored. So every sender
// is blocked for one checkpoint at a time.
//
// Invariant: a sender is blocked only while waiting > 0.
//
// Invariant: barriers are returned with rising IDs, watermarks with rising values.
//
// The algorithm is from Carbone et al., Lightweight Asynchronous Snapshots for Distributed
// Dataflows, 2015.
type aligner struct {
	senders   []sender
	live      int // senders that have not ended
	watermark int64
	newest    checkpoint.ID  // highest ID of a barrier that arrived
	waiting   int            // live senders whose barrier newest is missing; 0: aligned
	combined  []controlEvent // scratch
}

type sender struct {
	watermark      int64
	blocked, ended bool
}

func newAligner(senders int) *aligner {
	a := &aligner{senders: make([]sender, senders), live: senders, watermark: math.MinInt64}
	for i := range a.senders {
		a.senders[i].watermark = math.MinInt64
	}
	return a
}

// isBlocked reports whether messages of a sender must wait until the barriers are aligned.
func (a *aligner) isBlocked(from int) bool { return a.senders[from].blocked }

// receive handles a control event of a sender that is not blocked. It returns the control
// events of the whole input that it completes; the slice is valid until the next call.
func (a *aligner) receive(from int, c controlEvent) []controlEvent {
	a.combined = a.combined[:0]
	switch c.kind {
	case watermarkControl:
		a.raiseWatermark(from, c.watermark)
	case barrierControl:
		a.receiveBarrier(from, c.checkpoint)
	case endControl:
		a.endSender(from)
	}
	return a.combined
}

func (a *aligner) raiseWatermark(from int, watermark int64) {
	a.senders[from].watermark = max(a.senders[from].watermark, watermark)
	lowest := int64(math.MaxInt64)
	for _, s := range a.senders {
		lowest = min(lowest, s.watermark)
	}
	if lowest > a.watermark {
		a.watermark = lowest
		a.combined = append(a.combined, controlEvent{kind: watermarkControl, watermark: lowest})
	}
}

func (a *aligner) receiveBarrier(from int, id checkpoint.ID) {
	switch {
	case id < a.newest || id == a.newest && a.waiting == 0:
		return
	case id > a.newest:
		a.unblockAll()
		a.newest, a.waiting = id, a.live
	}
	a.senders[from].blocked = true
	a.stopWaitingForOne()
}

// stopWaitingForOne notes that a barrier has arrived, or that a sender without one has ended.
func (a *aligner) stopWaitingForOne() {
	if a.waiting--; a.waiting == 0 {
		a.unblockAll()
		a.combined = append(a.combined, controlEvent{kind: barrierControl, checkpoint: a.newest})
	}
}

func (a *aligner) unblockAll() {
	for i := range a.senders {
		a.senders[i].blocked = false
	}
}

func (a *aligner) endSender(from int) {
	if a.senders[from].ended {
		return
	}
	a.senders[from].ended = true
	a.live--
	// Every element of this sender was sent before the barriers, so the watermark comes first.
	a.raiseWatermark(from, math.MaxInt64)
	if a.waiting > 0 {
		a.stopWaitingForOne()
	}
	if a.live == 0 {
		a.combined = append(a.combined, controlEvent{kind: endControl})
	}
}
