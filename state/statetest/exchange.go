package statetest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// exchangeOperations is the number of operations of Fill and Exchange.
const exchangeOperations = 2000

// Exchange runs a random program on backends of one kind and restores a snapshot of them into
// backends of another kind. It checks that all reads, and the rows of their views, are equal; only
// lists may be divided into rows differently.
func Exchange(t testing.TB, from, to Opener) {
	tryProgram(t, from, snapshot.Portable, func(w *world) {
		w.run(exchangeOperations, writeSteps)
		for _, parallelism := range []int{len(w.subtasks), 1 + w.rng.IntN(4)} {
			fresh := w.restore(harness{to}, w.begin(), parallelism)
			require.Equal(w.t, contentOf(w.t, w.subtasks), contentOf(w.t, fresh))
			w.compare(fresh, w.model, true)
		}
	})
}

// contentOf returns the rows of a job's views. It concatenates the rows of each list.
func contentOf(t testing.TB, subtasks []subtask) map[string]string {
	content := make(map[string]string)
	for _, s := range subtasks {
		for _, r := range viewRows(t, s.backend()) {
			_, id, rest, err := backend.SplitHeader(r.key)
			require.NoError(t, err)
			if id == backend.IDOf("list") {
				r.key = r.key[:len(r.key)-len(suffixOf(t, rest))]
			}
			content[string(r.key)] += string(r.value)
		}
	}
	return content
}

// suffixOf returns the part of a row's key after key and namespace.
func suffixOf(t testing.TB, row []byte) []byte {
	_, row, err := codec.SplitEscaped(nil, row)
	require.NoError(t, err)
	_, row, err = codec.SplitEscaped(nil, row)
	require.NoError(t, err)
	return row
}

// Fill opens a backend, declares states of each kind on it and runs a random program. The same seed
// gives all backends the same content.
func Fill(t testing.TB, open Opener, seed uint64) snapshot.Backend {
	t.Helper()
	return rapid.Custom(func(r *rapid.T) snapshot.Backend {
		w := newWorld(t, open, programs.Dice{T: r})
		w.subtasks = w.open(w.h, 1)
		w.run(exchangeOperations, writeSteps)
		return w.subtasks[0].backend()
	}).Example(int(seed))
}
