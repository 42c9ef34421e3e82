package lsmstate

import (
	"cmp"
	"runtime/metrics"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// tierMemory counts the memory of a hot tier in the budget of the tree, and gets the tier's limit from
// there: see lsm.Claim.
//
// Rows on Go's heap need more memory than their own. The garbage collector lets the heap grow by GOGC
// percent before it frees what is unused. So each byte is charged 1 + GOGC/100 times.
//
// Thread safety: the task's goroutine only.
type tierMemory struct {
	tier  *backend.Tier
	exact int64      // limit of the rows in bytes; 0: that of the claim
	claim *lsm.Claim // nil while the tree is closed
}

// open claims memory of a budget.
func (m *tierMemory) open(b *lsm.Budget) { m.claim = b.Claim() }

// close ends the claim.
func (m *tierMemory) close() {
	if m.claim != nil {
		m.claim.Close()
		m.claim = nil
	}
}

// growthShare: the tier claims 1/64 of its limit ahead of its growth, and asks for its limit again
// when it has grown by that.
const growthShare = 64

// renew claims the memory of the tier and returns the limit of its rows, and the bytes by which they
// may grow until the next call, both in bytes.
func (m *tierMemory) renew() (limit, growth int64) {
	if m.claim == nil {
		return m.exact, 0
	}
	factor := heapFactor()
	limit = cmp.Or(m.exact, int64(float64(m.claim.Limit())/factor))
	growth = limit / growthShare
	m.claim.Set(int64(float64(m.tier.Memory()+growth) * factor))
	return limit, growth
}

// heapFactor returns 1 + GOGC/100, or 1 if GOGC is off: then only a memory limit of the program makes
// the collector run.
func heapFactor() float64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	if v := sample[0].Value; v.Kind() == metrics.KindUint64 && v.Uint64() <= maxGOGC {
		return 1 + float64(v.Uint64())/100
	}
	return 1
}

// maxGOGC is above every sensible GOGC. The metric is 2^64-1 if GOGC is off.
const maxGOGC = 1 << 32
