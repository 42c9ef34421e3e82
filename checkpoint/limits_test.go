package checkpoint

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSmallFilesAreStoredInTheMetadata(t *testing.T) {
	for size, travels := range map[int64]bool{20<<10 - 1: true, 20 << 10: true, 20<<10 + 1: false, 1 << 20: false} {
		r := newRig(t, Options{})
		a := r.begin()
		u := a.Upload(r.trigger(a), "op", 0)
		require.NoError(t, u.Acknowledge(r.write(u, u.Name(), size), nil))
		r.requireEvents("trigger 1 on 0", "complete 1")
		require.Equal(t, size, r.stats.Bytes)
		want := []string{"job/chk-1/_metadata", "job/completed/" + padded(ID(1))}
		if !travels {
			want = append([]string{"job/chk-1/1-op-0"}, want...)
		}
		require.Equal(t, want, r.names())
		a = r.begin()
		object, err := a.Source().Open(context.Background(), u.Name())
		require.NoError(t, err)
		there, err := object.Size()
		require.NoError(t, err)
		require.Equal(t, size, there)
	}
}

// The limit applies to the whole file, in however many pieces it is written.
func TestFileThatExceedsTheInlineLimitInPiecesIsWhole(t *testing.T) {
	r := newRig(t, Options{Storage: storageOn(t, unlimited())})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	file, err := u.Create(u.Context(), u.Name())
	require.NoError(t, err)
	var want []byte
	for i := range 300 {
		piece := make([]byte, 100)
		piece[i%100] = byte(i)
		want = append(want, piece...)
		n, err := file.Write(piece)
		require.NoError(t, err)
		require.Equal(t, 100, n)
	}
	require.NoError(t, file.Commit())
	require.Equal(t, want, r.read("job/chk-1/1-op-0"))
}

func TestStateOfExactlyTheLimitIsLegalInMemory(t *testing.T) {
	for name, limits := range map[string]MemoryOptions{
		"default":             {},
		"capped to the frame": {MaxStateBytes: 1 << 40, FrameBytes: 5<<20 + 200},
		"lowered":             {MaxStateBytes: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			limit := int64(defaultMaxStateBytes)
			if limits.MaxStateBytes > 0 {
				limit = min(limits.MaxStateBytes, limits.FrameBytes+defaultFrameBytes)
			}
			if limits.FrameBytes > 0 {
				limit = min(limit, limits.FrameBytes)
			}
			r := newRig(t, Options{Storage: NewMemory(limits), TolerableFailures: 1})
			a := r.begin()
			u := a.Upload(r.trigger(a), "op", 0)
			r.write(u, u.Name(), limit)
			file, err := u.Create(u.Context(), u.Name()+".more")
			require.NoError(t, err)
			_, err = file.Write(make([]byte, limit))
			require.NoError(t, err)
			_, err = file.Write(make([]byte, 1))
			require.ErrorIs(t, err, ErrStateTooLarge)
			require.NoError(t, file.Abort())
			if limits.FrameBytes == 0 {
				require.NoError(t, u.Acknowledge(handleOf(u, u.Name(), limit), nil))
				r.requireEvents("trigger 1 on 0", "complete 1")
			}
		})
	}
}

func TestFrameOfExactlyTheLimitIsLegalInMemory(t *testing.T) {
	const limit = 1000
	overhead := partSize(Part{Data: make([]byte, limit)}) - limit
	for excess := range int64(2) {
		r := newRig(t, Options{Storage: NewMemory(MemoryOptions{FrameBytes: limit})})
		a := r.begin()
		u := a.Upload(r.trigger(a), "op", 0)
		err := u.Acknowledge(nil, make([]byte, limit-overhead+excess))
		if excess == 0 {
			require.NoError(t, err)
			r.requireEvents("trigger 1 on 0", "complete 1")
			continue
		}
		require.ErrorIs(t, err, ErrFrameTooLarge)
		r.requireEvents("trigger 1 on 0", "aborted 1", "fail")
		r.requireReason(ErrFrameTooLarge)
		require.Zero(t, r.o.Storage.memory.usedBytes)
	}
}

// Two pending parts count against the total; later tests count retained checkpoints.
func TestTotalOfExactlyTheLimitIsLegalInMemory(t *testing.T) {
	part := partSize(Part{Data: make([]byte, 1000)})
	for excess := range int64(2) {
		r := newRig(t, Options{Storage: NewMemory(MemoryOptions{TotalBytes: 2*part - excess}), TolerableFailures: 1})
		a := r.begin(Subtasks{"op", 3})
		id := r.trigger(a)
		require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, make([]byte, 1000)))
		err := a.Upload(id, "op", 1).Acknowledge(nil, make([]byte, 1000))
		if excess == 0 {
			require.NoError(t, err)
			a.End()
		} else {
			require.ErrorIs(t, err, ErrMemoryFull)
			r.requireEvents("trigger 1 on 0", "aborted 1")
			r.requireReason(ErrMemoryFull)
		}
		r.runQueued()
		require.Zero(t, r.o.Storage.memory.usedBytes, "aborted checkpoints release their memory")
	}
}

func TestMetadataAndEntryCountAgainstTheTotal(t *testing.T) {
	take := func(limit int64) (*rig, *Attempt) {
		r := newRig(t, Options{Storage: NewMemory(MemoryOptions{TotalBytes: limit}), TolerableFailures: 1})
		a := r.begin()
		require.NoError(t, a.Upload(r.trigger(a), "op", 0).Acknowledge(nil, make([]byte, 1000)))
		r.runQueued()
		return r, a
	}
	whole, _ := take(0)
	need := whole.o.Storage.memory.usedBytes
	require.Equal(t, int64(len(whole.read(whole.layout.metadata(1)))+entryBytes), need)

	r, a := take(need)
	r.requireEvents("trigger 1 on 0", "complete 1")
	// The first checkpoint is retained, so the next one does not fit.
	require.ErrorIs(t, a.Upload(r.trigger(a), "op", 0).Acknowledge(nil, make([]byte, 1000)), ErrMemoryFull)
	r.requireEvents("trigger 2 on 1", "aborted 2")
	require.Equal(t, ID(1), r.begin().Restored().ID)
	require.Equal(t, need, r.o.Storage.memory.usedBytes)

	r, _ = take(need - 1)
	r.requireEvents("trigger 1 on 0", "aborted 1")
	r.requireReason(ErrMemoryFull)
	require.Nil(t, r.begin().Restored())
	require.Zero(t, r.o.Storage.memory.usedBytes)
}
