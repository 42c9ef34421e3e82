package lsm

import (
	"cmp"
	"slices"
)

// claimShare limits all claims of a budget together to this fraction (1/2) of it. The other half is
// for memtables. Blocks take what is left, and give it back.
const claimShare = 2

// Claim is memory outside the stores of a budget that counts in it, such as the decoded rows that a
// program keeps in front of a store. The owner of a claim reports its size, and keeps below a limit
// that all claims of the budget have in common.
//
// Problem: each owner should use as much of the common half as it has use for. A small or idle owner
// should leave its part to others, and a new owner should get its part from larger ones.
//
// Idea: max-min fairness (Bertsekas and Gallager, Data Networks, 1992, section 6.5.2). A claim needs
// what it has and a quarter more, so that it can grow. Claims that need less than an equal part get
// what they need. The others divide the rest equally: that is the limit. So the limit falls step by
// step while a new claim grows, and the owners of larger claims give memory back.
//
//	needs          ▁▁▁▁ ▂▂▂▂ ████ ████      half of the budget = sum of the parts
//	limit  ───────────────── ──── ────      the last two need more than they get
//
// Cost: Set sorts the claims of the budget, so an owner calls it for changes of some size.
//
// Thread safety: safe for concurrent use.
type Claim struct {
	budget *Budget
	bytes  int64 // guarded by budget.mu
}

// Claim returns a claim of zero bytes. It stays usable after the budget is closed.
func (b *Budget) Claim() *Claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &Claim{budget: b}
	b.claims = append(b.claims, c)
	b.shareClaims()
	return c
}

// Set records the size of the claim in bytes. Used of the budget includes it. Cached blocks that no
// longer fit are evicted. Set does not enforce the limit. The caller must not hold the lock of a
// store.
func (c *Claim) Set(bytes int64) {
	b := c.budget
	b.mu.Lock()
	grown := bytes - c.bytes
	c.bytes = bytes
	b.shareClaims()
	b.mu.Unlock()
	if grown <= 0 {
		b.slabs.Give(-grown)
		return
	}
	b.slabs.Take(grown)
	for b.slabs.Used() > b.slabs.Limit() && b.cache.Shrink(nil) {
	}
}

// Bytes returns the size of the claim in bytes.
func (c *Claim) Bytes() int64 {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	return c.bytes
}

// Limit returns the bytes that the claim may have now. It changes with the size of the other claims.
func (c *Claim) Limit() int64 { return c.budget.claimLimit.Load() }

// Close ends the claim. A second Close does nothing.
func (c *Claim) Close() {
	c.Set(0)
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims = slices.DeleteFunc(b.claims, func(other *Claim) bool { return other == c })
	b.shareClaims()
}

// shareClaims computes the limit of the claims. The caller holds the mutex.
func (b *Budget) shareClaims() {
	slices.SortFunc(b.claims, func(x, y *Claim) int { return cmp.Compare(x.bytes, y.bytes) })
	total := b.Limit() / claimShare
	left, limit := total, total
	for i, c := range b.claims {
		limit = left / int64(len(b.claims)-i)
		need := c.bytes + c.bytes/4 + total/leastNeed
		if need >= limit {
			break
		}
		left -= need
		limit = need + left
	}
	b.claimLimit.Store(limit)
}

// leastNeed: a claim needs at least 1/64 of what all claims may have.
const leastNeed = 64
