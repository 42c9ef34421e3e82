package job

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

func watermarkOf(t int64) mark        { return mark{kind: watermarkMark, watermark: t} }
func barrierOf(id checkpoint.ID) mark { return mark{kind: barrierMark, checkpoint: id} }
func heldOf(a *aligner) (held []bool) {
	for i := range a.senders {
		held = append(held, a.holds(i))
	}
	return held
}

var theEnd = mark{kind: endMark}

func TestWatermarkIsTheLowestOfAllSenders(t *testing.T) {
	a := newAligner(3)
	require.Empty(t, a.take(0, watermarkOf(10)))
	require.Empty(t, a.take(1, watermarkOf(20)), "one sender has said nothing yet")
	require.Equal(t, []mark{watermarkOf(5)}, a.take(2, watermarkOf(5)))
	require.Equal(t, []mark{watermarkOf(10)}, a.take(2, watermarkOf(30)))
}

func TestWatermarkNeverFalls(t *testing.T) {
	a := newAligner(1)
	require.Equal(t, []mark{watermarkOf(7)}, a.take(0, watermarkOf(7)))
	require.Empty(t, a.take(0, watermarkOf(3)))
	require.Empty(t, a.take(0, watermarkOf(7)))
	require.Equal(t, []mark{watermarkOf(8)}, a.take(0, watermarkOf(8)))
}

func TestSenderThatHasEndedHoldsUpNoWatermark(t *testing.T) {
	a := newAligner(2)
	require.Empty(t, a.take(0, watermarkOf(50)))
	require.Equal(t, []mark{watermarkOf(50)}, a.take(1, theEnd))
	require.Equal(t, []mark{watermarkOf(math.MaxInt64), theEnd}, a.take(0, theEnd))
}

func TestSenderIsHeldUntilTheBarriersOfAllHaveCome(t *testing.T) {
	a := newAligner(3)
	require.Empty(t, a.take(1, barrierOf(1)))
	require.Equal(t, []bool{false, true, false}, heldOf(a))
	require.Empty(t, a.take(0, barrierOf(1)))
	require.Equal(t, []bool{true, true, false}, heldOf(a))
	require.Equal(t, []mark{barrierOf(1)}, a.take(2, barrierOf(1)))
	require.Equal(t, []bool{false, false, false}, heldOf(a))
}

func TestNewerBarrierEndsTheWaitForAnOlderOne(t *testing.T) {
	a := newAligner(2)
	require.Empty(t, a.take(0, barrierOf(1)))
	require.Empty(t, a.take(1, barrierOf(2)))
	require.Equal(t, []bool{false, true}, heldOf(a), "who had the older one goes on")
	require.Equal(t, []mark{barrierOf(2)}, a.take(0, barrierOf(2)))
}

func TestLateBarrierIsIgnored(t *testing.T) {
	a := newAligner(2)
	a.take(0, barrierOf(2))
	require.Empty(t, a.take(1, barrierOf(1)), "of a checkpoint given up")
	require.Equal(t, []bool{true, false}, heldOf(a))
	require.Equal(t, []mark{barrierOf(2)}, a.take(1, barrierOf(2)))
	require.Empty(t, a.take(0, barrierOf(1)))
	require.Empty(t, a.take(0, barrierOf(2)), "of a checkpoint that is aligned")
	require.Equal(t, []bool{false, false}, heldOf(a))
}

func TestEndedSenderIsNotWaitedFor(t *testing.T) {
	a := newAligner(3)
	a.take(2, theEnd)
	require.Empty(t, a.take(0, barrierOf(1)))
	require.Equal(t, []mark{barrierOf(1)}, a.take(1, barrierOf(1)))

	require.Empty(t, a.take(0, barrierOf(2)))
	require.Equal(t, []mark{barrierOf(2)}, a.take(1, theEnd), "it ends while it is waited for")
	require.Equal(t, []bool{false, false, false}, heldOf(a))
	require.Equal(t, []mark{barrierOf(3)}, a.take(0, barrierOf(3)))
}

// What a sender says before its end belongs before a barrier that waited for it.
func TestWatermarkOfTheEndComesBeforeTheBarrier(t *testing.T) {
	a := newAligner(2)
	a.take(0, watermarkOf(9))
	a.take(0, barrierOf(1))
	require.Equal(t, []mark{watermarkOf(9), barrierOf(1)}, a.take(1, theEnd))
}

// A sender may begin anew with less than what the checkpoint had, as one does whose
// partition is new.
func TestWatermarkNeverFallsBelowTheRestoredOne(t *testing.T) {
	in := newInbox[int](2)
	in.resume(50)
	a := in.aligner
	require.Empty(t, a.take(0, watermarkOf(100)), "the other sender is silent")
	require.Empty(t, a.take(1, watermarkOf(10)))
	require.Empty(t, a.take(1, watermarkOf(50)))
	require.Equal(t, []mark{watermarkOf(60)}, a.take(1, watermarkOf(60)))
}
