package largejob

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// ErrState is returned when the state of a key differs from the value written last.
var ErrState = errors.New("the state differs from the value written last")

// values is the operator. It compares the value of a key with the one written last, and writes
// the next value.
type values struct {
	task  *job.Task[int64, update]
	value state.ValueState[[]byte]
	old   []byte // scratch
}

func openValues(task *job.Task[int64, update]) (func(job.Event[update]) error, error) {
	v := &values{task: task}
	var err error
	v.value, err = state.ValueOf(task.Keyed(), state.ValueDescriptor[[]byte]{Name: "value", Codec: codec.Bytes()})
	return v.process, err
}

func (v *values) process(e job.Event[update]) error {
	u := e.Value
	got, _, err := v.value.Get()
	if err != nil {
		return err
	}
	v.old = v.old[:0]
	if u.round > 0 {
		v.old = appendValue(v.old, update{u.key, u.round - 1})
	}
	if !bytes.Equal(got, v.old) {
		return fmt.Errorf("key %d at the beginning of round %d: %w", u.key, u.round, ErrState)
	}
	next := appendValue(make([]byte, 0, ValueBytes), u) // a new slice, because the state keeps it
	if err := v.value.Set(next); err != nil {
		return err
	}
	if mix(uint64(u.key))%sampleEvery != 0 {
		return nil
	}
	return v.task.Emit(job.Event[update]{Time: e.Time, Value: u})
}

// appendValue appends the value that an update writes. Half of the value is zeros, so that it
// compresses approximately like real data.
func appendValue(dst []byte, u update) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(u.round))
	x := uint64(u.key)
	for len(dst) < ValueBytes/2 {
		x = mix(x)
		dst = binary.BigEndian.AppendUint64(dst, x)
	}
	return append(dst, make([]byte, ValueBytes-len(dst))...)
}
