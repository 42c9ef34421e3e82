package checkpoint

import (
	"context"
	"slices"
	"time"
)

// knownEntries is the coordinator's knowledge of the completed store: the entries that it has listed,
// with its own commits and removals since then.
//
// Problem: after each checkpoint retention needs the list of complete checkpoints. In an object
// store a listing costs a request, and another one to read each entry.
//
// Idea: while its attempt is the current one, only the coordinator changes the store, so it knows the
// entries. A commit that succeeds proves that no later attempt has begun before it. So the knowledge
// is used for maxKnownAge after a commit or listing, only by storages in which requests are expensive (see
// Packer); the others list each time, and notice what users do to the files.
//
// Invariant: the knowledge is dropped when an attempt begins, since another coordinator may have worked in
// between, and when a removal fails, since it may have taken effect. It is not used while an entry is
// in doubt, so until the next attempt. A listing during which something changed is not remembered.
//
// Thread safety: the coordinator's mutex guards all fields.
type knownEntries struct {
	entries []Entry   // ordered by ID
	at      time.Time // when entries were those of the store; zero if they are not known
	changes int       // number of commits, removals and drops
}

// maxKnownAge is the time for which the entries are used without another proof. A process that was
// suspended for longer may have lost the job to another one.
const maxKnownAge = 10 * time.Second

// committed adds an entry whose commit began at a time.
func (k *knownEntries) committed(e Entry, at time.Time) {
	k.changes++
	if k.at.IsZero() {
		return
	}
	k.at = at
	k.entries = append(slices.DeleteFunc(k.entries, func(o Entry) bool { return o.ID == e.ID }), e) // the newest
}

// removed removes an entry.
func (k *knownEntries) removed(id ID) {
	k.changes++
	k.entries = slices.DeleteFunc(k.entries, func(e Entry) bool { return e.ID == id })
}

// drop forgets the entries.
func (k *knownEntries) drop() {
	k.changes++
	*k = knownEntries{changes: k.changes}
}

// forgetCompleted drops the knowledge of the completed store.
func (c *Coordinator) forgetCompleted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.drop()
}

// listCompleted lists the completed store.
func (c *Coordinator) listCompleted(ctx context.Context) ([]Entry, error) {
	c.mu.Lock()
	at, changes := c.o.now(), c.known.changes
	c.mu.Unlock()
	entries, err := c.completed.List(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if changes == c.known.changes {
		c.known.entries, c.known.at = slices.Clone(entries), at
	}
	return entries, nil
}

// knownOrListed returns the entries of the completed store: those that are known, or a listing.
func (c *Coordinator) knownOrListed(ctx context.Context) ([]Entry, error) {
	c.mu.Lock()
	k := c.known
	use := c.o.Storage.fewRequests && !k.at.IsZero() && c.o.now().Sub(k.at) < maxKnownAge && len(c.inDoubt) == 0
	entries := slices.Clone(k.entries)
	c.mu.Unlock()
	if use {
		return entries, nil
	}
	return c.listCompleted(ctx)
}

// removeEntry removes an entry of the completed store.
func (c *Coordinator) removeEntry(ctx context.Context, id ID) error {
	err := c.completed.Remove(ctx, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.known.drop()
		return err
	}
	c.known.removed(id)
	delete(c.contents, id)
	return nil
}
