package statetest

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// A kit that hangs on a broken backend tells its author nothing. So Run must fail, and soon, for
// backends whose faults could make loops of package state endless.

// brokenBackends are such backends, by their faults.
var brokenBackends = []struct {
	fault string
	wrap  func(*Bytes) snapshot.Backend
}{
	{"Remove of timers does nothing", func(b *Bytes) snapshot.Backend { return keepsTimers{b} }},
	{"Append ignores the namespace", func(b *Bytes) snapshot.Backend { return voidAppends{b} }},
	{"Append writes to the list before", func(b *Bytes) snapshot.Backend { return &lateAppends{Bytes: b} }},
	{"Append does nothing", func(b *Bytes) snapshot.Backend { return noAppends{b} }},
	{"Append appends twice", func(b *Bytes) snapshot.Backend { return doubleAppends{b} }},
}

type keepsTimers struct{ *Bytes }

func (b keepsTimers) AddTimers(info backend.Info, d state.Domain) (backend.TimerQueue, error) {
	q, err := b.Bytes.AddTimers(info, d)
	return keptTimers{q}, err
}

type keptTimers struct{ backend.TimerQueue }

func (keptTimers) Remove(state.TimerEntry) error { return nil }

type voidAppends struct{ *Bytes }

func (b voidAppends) Append(prefix, value []byte) error {
	_, namespace, _, err := backend.SplitPrefix(prefix[backend.HeaderSize:], -1)
	if err != nil {
		return err
	}
	prefix = prefix[:len(prefix)-codec.EscapedSize(namespace)]
	return b.Bytes.Append(codec.AppendEscaped(slices.Clone(prefix), nil), value)
}

type lateAppends struct {
	*Bytes
	before []byte
}

func (b *lateAppends) Append(prefix, value []byte) error {
	into := b.before
	if b.before = slices.Clone(prefix); into == nil {
		into = prefix
	}
	return b.Bytes.Append(into, value)
}

type noAppends struct{ *Bytes }

func (noAppends) Append(_, _ []byte) error { return nil }

type doubleAppends struct{ *Bytes }

func (b doubleAppends) Append(prefix, value []byte) error {
	return b.Bytes.Append(prefix, append(slices.Clone(value), value...))
}

// brokenFault is the environment variable by which TestBrokenBackend gets its fault.
const brokenFault = "WEIR_BROKEN_BACKEND"

// TestBrokenBackend is the kit in the process that TestKitFailsSoonOnBrokenBackends starts.
func TestBrokenBackend(t *testing.T) {
	fault := os.Getenv(brokenFault)
	if fault == "" {
		t.Skip("TestKitFailsSoonOnBrokenBackends runs it in another process")
	}
	for _, broken := range brokenBackends {
		if broken.fault == fault {
			Run(t, func(_ testing.TB, o state.Options) (snapshot.Backend, error) {
				b, err := NewBytes(o, 64)
				return broken.wrap(b), err
			})
		}
	}
}

func TestKitFailsSoonOnBrokenBackends(t *testing.T) {
	for _, broken := range brokenBackends[:density.Of(t, 2, 5, 5)] {
		t.Run(broken.fault, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			kit := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBrokenBackend$", "-rapid.shrinktime=1s", "-rapid.nofailfile")
			kit.Env = append(os.Environ(), brokenFault+"="+broken.fault)
			out, err := kit.CombinedOutput()
			require.NoError(t, ctx.Err(), "the kit hangs")
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Contains(t, string(out), "--- FAIL: TestBrokenBackend")
			require.Less(t, strings.Count(string(out), "\n"), 20_000)
		})
	}
}
