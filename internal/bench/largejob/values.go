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

// ErrState is returned when a key does not have the value that was written last.
var ErrState = errors.New("the state has another value than the one written last")

// values is the operator. It compares the value of a key with the one that was written
// last, and writes the next one.
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
		return fmt.Errorf("key %d before it is written for the %d. time: %w", u.key, u.round+1, ErrState)
	}
	next := appendValue(make([]byte, 0, ValueBytes), u) // the state's from here on
	if err := v.value.Set(next); err != nil {
		return err
	}
	if mix(uint64(u.key))%sampleEvery != 0 {
		return nil
	}
	return v.task.Emit(job.Event[update]{Time: e.Time, Value: u})
}

// appendValue adds the value that an update writes. Half of it is zeros, so that it
// compresses as usual values do.
func appendValue(dst []byte, u update) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(u.round))
	x := uint64(u.key)
	for len(dst) < ValueBytes/2 {
		x = mix(x)
		dst = binary.BigEndian.AppendUint64(dst, x)
	}
	return append(dst, make([]byte, ValueBytes-len(dst))...)
}
