package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/weirstate/weir/checkpoint"
)

// Each goroutine works on names of its own, and all on one store. Run it with go test -race.
func manyGoroutines(t *testing.T, h *harness) {
	objects := h.fresh(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for round := range 4 {
				if err := useNames(t, objects, fmt.Sprintf("job/chk-%d/%d-", round, i)); err != nil {
					t.Errorf("goroutine %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	requireOnly(t, objects)
}

// useNames writes, aborts, lists, reads and removes objects whose names begin with prefix.
func useNames(t testing.TB, objects checkpoint.Objects, prefix string) error {
	ctx := t.Context()
	data := content(10_000, uint64(len(prefix)))
	file, err := objects.Create(ctx, prefix+"aborted")
	if err != nil {
		return err
	}
	if err = file.Abort(); err != nil {
		return err
	}
	if err = tryPut(ctx, objects, prefix+"a", data); err != nil {
		return err
	}
	got, err := tryGet(ctx, objects, prefix+"a")
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return errors.New("read other bytes than were written")
	}
	listed, err := objects.List(ctx, prefix)
	if err != nil {
		return err
	}
	if len(listed) != 1 || listed[0].Name != prefix+"a" {
		return fmt.Errorf("List returned %v, want one object", listed)
	}
	return objects.Remove(ctx, prefix+"a")
}
