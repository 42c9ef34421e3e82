package fuzz

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// FuzzSnapshotRoundTrip writes, reads and restores a view with random rows, into one task and
// into two that share the key groups.
func FuzzSnapshotRoundTrip(f *testing.F) {
	seed(f, "nothing", []byte{})
	seed(f, "rows", []byte("\x01\x02\x05hello\x01\x05world\x02\x05hello\x03\x05there\x07\x00\x00"))
	seed(f, "long values", []byte("\x00\x03\x01a\xF0\x07\x01\x03\x01b\xF1\x07\xFF\x03\x01c\xF2\x01\x00"))
	seed(f, "large row", []byte("\x01\x06\x03key\xFF\x07\xFF\x06\x03kez\xFF\x02\x00\x06\x03kfz\x01x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := input{data}
		compression := snapshot.Compression(in.choice(2))
		written := newRows(t, &in)
		file, h := takeSnapshot(t, written, compression)
		if n := written.len(); h.Rows != int64(n) || h.Bytes() != int64(len(file)) {
			t.Fatalf("the handle has %d rows and %d bytes, the file %d and %d", h.Rows, h.Bytes(), n, len(file))
		}
		files := memory{"state": file}
		again, err := snapshot.ReadHandle(context.Background(), files, "state")
		require.NoError(t, err)
		require.Equal(t, h, again)
		r, err := snapshot.NewReader(bytes.NewReader(file), int64(len(file)))
		require.NoError(t, err)
		defer r.Close()
		for group := range written.rows {
			got := rows{t: t}
			require.NoError(t, r.Rows(uint16(group), got.Load))
			requireRows(t, written.rows[group:group+1], got.rows[group:group+1])
		}
		for tasks := 1; tasks <= 2; tasks++ {
			all := rows{t: t}
			for i := range tasks {
				part := newRows(t, &input{})
				part.space = state.SubtaskKeyspace(i, tasks, 8)
				part.restore(h, files)
				for group, rows := range part.rows {
					all.rows[group] = append(all.rows[group], rows...)
				}
			}
			requireRows(t, written.rows[:], all.rows[:])
		}
	})
}

func requireRows(t *testing.T, want, got [][]row) {
	for group := range want {
		same := slices.EqualFunc(want[group], got[group], func(a, b row) bool {
			return bytes.Equal(a.key, b.key) && bytes.Equal(a.value, b.value)
		})
		if !same {
			t.Fatalf("key group %d: %d rows written, %d different rows read", group, len(want[group]), len(got[group]))
		}
	}
}

// rows is a snapshot.Backend and a snapshot.View of any rows.
type rows struct {
	*heapstate.Backend
	t     testing.TB
	space state.Keyspace
	rows  [8][]row
}

type row struct{ key, value []byte }

// newRows returns rows of one state, made from choices.
func newRows(t testing.TB, in *input) *rows {
	r := &rows{t: t, space: eightGroups}
	for in.more() {
		group := uint16(in.choice(8))
		key := append(backend.AppendHeader(nil, group, backend.IDOf("s")), in.bytes(20)...)
		r.rows[group] = append(r.rows[group], row{key, valueOf(in)})
	}
	for group := range r.rows {
		slices.SortStableFunc(r.rows[group], func(a, b row) int { return bytes.Compare(a.key, b.key) })
		r.rows[group] = slices.CompactFunc(r.rows[group], func(a, b row) bool { return bytes.Equal(a.key, b.key) })
	}
	return r
}

// valueOf returns a value of up to slightly more than 2 MiB, usually a short one. Long values
// have sizes near those at which blocks are full.
func valueOf(in *input) []byte {
	n := in.choice(256)
	if n < 0xF0 {
		return bytes.Clone(in.bytes(n))
	}
	size := []int{1 << 10, 256<<10 - 64, 256 << 10, 2<<20 - 64}[n%4]
	if len(in.rest) > 64 {
		size = 1 << 10 // keeps long inputs fast
	}
	return bytes.Repeat([]byte{in.byte()}, size+int(in.byte()))
}

func (r *rows) len() (n int) {
	for _, rows := range r.rows {
		n += len(rows)
	}
	return n
}

// restore restores the key groups in r.space from a handle.
func (r *rows) restore(h snapshot.Handle, from snapshot.Source) {
	b, err := heapstate.NewHash(state.Options{Keyspace: r.space})
	require.NoError(r.t, err)
	k, err := state.NewKeyed(b, codec.Bytes())
	require.NoError(r.t, err)
	_, err = state.ValueOf(k, state.ValueDescriptor[[]byte]{Name: "s", Codec: codec.Bytes()})
	require.NoError(r.t, err)
	r.Backend = b
	done, err := snapshot.Restore(context.Background(), r, from, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.NoError(r.t, err)
	require.Equal(r.t, int64(r.len()), done.Rows)
}

// Load implements snapshot.Backend.
func (r *rows) Load(key, value []byte) error {
	group, _, _, err := backend.SplitHeader(key)
	if err != nil || group > 7 {
		return fmt.Errorf("key group %d: %w", group, err)
	}
	r.rows[group] = append(r.rows[group], row{bytes.Clone(key), bytes.Clone(value)})
	return nil
}

// View implements snapshot.Backend.
func (r *rows) View() (snapshot.View, error) { return rowsView{r}, nil }

// Keyspace implements snapshot.View.
func (r *rows) Keyspace() state.Keyspace { return r.space }

// States implements snapshot.View.
func (r *rows) States() []backend.Info {
	bytes := codec.Bytes().ID()
	return []backend.Info{{Name: "s", Kind: backend.KindValue, Key: bytes, Codecs: []codec.ID{bytes}}}
}

// Rows implements snapshot.View.
func (r *rows) Rows(group uint16, yield func(key, value []byte) error) error {
	for _, row := range r.rows[group] {
		if err := yield(row.key, row.value); err != nil {
			return err
		}
	}
	return nil
}

// rowsView is a view of rows, which do not change while it is open.
type rowsView struct{ *rows }

// Close implements snapshot.View.
func (rowsView) Close() {}
