package job

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

func watermarkOf(t int64) controlEvent { return controlEvent{kind: watermarkControl, watermark: t} }
func barrierOf(id checkpoint.ID) controlEvent {
	return controlEvent{kind: barrierControl, checkpoint: id}
}

// blockedOf returns whether each sender is blocked.
func blockedOf(a *aligner) (blocked []bool) {
	for i := range a.senders {
		blocked = append(blocked, a.isBlocked(i))
	}
	return blocked
}

var theEnd = controlEvent{kind: endControl}

func TestWatermarkIsTheLowestOfAllSenders(t *testing.T) {
	a := newAligner(3)
	require.Empty(t, a.receive(0, watermarkOf(10)))
	require.Empty(t, a.receive(1, watermarkOf(20)), "the third sender has sent no watermark")
	require.Equal(t, []controlEvent{watermarkOf(5)}, a.receive(2, watermarkOf(5)))
	require.Equal(t, []controlEvent{watermarkOf(10)}, a.receive(2, watermarkOf(30)))
}

func TestWatermarkNeverFalls(t *testing.T) {
	a := newAligner(1)
	require.Equal(t, []controlEvent{watermarkOf(7)}, a.receive(0, watermarkOf(7)))
	require.Empty(t, a.receive(0, watermarkOf(3)))
	require.Empty(t, a.receive(0, watermarkOf(7)))
	require.Equal(t, []controlEvent{watermarkOf(8)}, a.receive(0, watermarkOf(8)))
}

func TestEndedSenderDoesNotHoldTheWatermarkBack(t *testing.T) {
	a := newAligner(2)
	require.Empty(t, a.receive(0, watermarkOf(50)))
	require.Equal(t, []controlEvent{watermarkOf(50)}, a.receive(1, theEnd))
	require.Equal(t, []controlEvent{watermarkOf(math.MaxInt64), theEnd}, a.receive(0, theEnd))
}

func TestSenderIsBlockedUntilAllBarriersArrive(t *testing.T) {
	a := newAligner(3)
	require.Empty(t, a.receive(1, barrierOf(1)))
	require.Equal(t, []bool{false, true, false}, blockedOf(a))
	require.Empty(t, a.receive(0, barrierOf(1)))
	require.Equal(t, []bool{true, true, false}, blockedOf(a))
	require.Equal(t, []controlEvent{barrierOf(1)}, a.receive(2, barrierOf(1)))
	require.Equal(t, []bool{false, false, false}, blockedOf(a))
}

func TestNewerBarrierEndsTheWaitForAnOlderOne(t *testing.T) {
	a := newAligner(2)
	require.Empty(t, a.receive(0, barrierOf(1)))
	require.Empty(t, a.receive(1, barrierOf(2)))
	require.Equal(t, []bool{false, true}, blockedOf(a), "the sender of the older barrier is unblocked")
	require.Equal(t, []controlEvent{barrierOf(2)}, a.receive(0, barrierOf(2)))
}

func TestBarrierOfAnAbortedCheckpointIsIgnored(t *testing.T) {
	a := newAligner(2)
	a.receive(0, barrierOf(2))
	require.Empty(t, a.receive(1, barrierOf(1)), "checkpoint 1 was aborted")
	require.Equal(t, []bool{true, false}, blockedOf(a))
	require.Equal(t, []controlEvent{barrierOf(2)}, a.receive(1, barrierOf(2)))
	require.Empty(t, a.receive(0, barrierOf(1)))
	require.Empty(t, a.receive(0, barrierOf(2)), "checkpoint 2 is aligned already")
	require.Equal(t, []bool{false, false}, blockedOf(a))
}

func TestAlignmentDoesNotWaitForAnEndedSender(t *testing.T) {
	a := newAligner(3)
	a.receive(2, theEnd)
	require.Empty(t, a.receive(0, barrierOf(1)))
	require.Equal(t, []controlEvent{barrierOf(1)}, a.receive(1, barrierOf(1)))

	require.Empty(t, a.receive(0, barrierOf(2)))
	require.Equal(t, []controlEvent{barrierOf(2)}, a.receive(1, theEnd), "the aligner was waiting for it")
	require.Equal(t, []bool{false, false, false}, blockedOf(a))
	require.Equal(t, []controlEvent{barrierOf(3)}, a.receive(0, barrierOf(3)))
}

// Every element of an ended sender was sent before the barrier, so its final watermark comes
// first.
func TestFinalWatermarkComesBeforeTheBarrier(t *testing.T) {
	a := newAligner(2)
	a.receive(0, watermarkOf(9))
	a.receive(0, barrierOf(1))
	require.Equal(t, []controlEvent{watermarkOf(9), barrierOf(1)}, a.receive(1, theEnd))
}

// A sender with a new partition may begin with a lower watermark than the checkpoint had.
func TestWatermarkNeverFallsBelowTheRestoredOne(t *testing.T) {
	in := newInputGate[int](2)
	in.restoreWatermark(50)
	a := in.aligner
	require.Empty(t, a.receive(0, watermarkOf(100)), "the other sender has sent no watermark")
	require.Empty(t, a.receive(1, watermarkOf(10)))
	require.Empty(t, a.receive(1, watermarkOf(50)))
	require.Equal(t, []controlEvent{watermarkOf(60)}, a.receive(1, watermarkOf(60)))
}
