package job

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Event is an element of a stream with its event time. The job chooses the unit of time.
type Event[T any] struct {
	Time  int64 // event time
	Value T     // the element itself
}

// Stream is the output of a source or an operator. It may have several consumers; each of
// them gets every element.
type Stream[T any] struct{ *stream[T] }

type stream[T any] struct {
	graph     *Graph
	consumers []consumer[T]
}

// consumer adds the subtasks of one consumer of a stream (an operator or a sink), and of all
// consumers downstream of it, to an attempt. It returns one output per sender, where the senders
// are the subtasks that produce the stream.
type consumer[T any] func(a *attempt, senders int) []output[T]

// output carries the elements and control events of one sender to all subtasks of one
// consumer.
//
// Thread safety: the sender's goroutine.
type output[T any] interface {
	// send sends an event to the subtask that it belongs to. The event may wait in a batch.
	send(Event[T]) error
	// sendControl sends a control event to every subtask, after all events sent so far.
	sendControl(controlEvent) error
	// flush sends incomplete batches.
	flush() error
}

// connect adds all consumers of s to an attempt. It returns the outputs of each sender.
func (s *stream[T]) connect(a *attempt, senders int) []outputs[T] {
	all := make([]outputs[T], senders)
	for _, consume := range s.consumers {
		for i, out := range consume(a, senders) {
			all[i] = append(all[i], out)
		}
	}
	return all
}

// outputs are the outputs of one sender, one per consumer of the stream.
type outputs[T any] []output[T]

func (o outputs[T]) send(e Event[T]) error {
	for _, out := range o {
		if err := out.send(e); err != nil {
			return err
		}
	}
	return nil
}

func (o outputs[T]) sendControl(c controlEvent) error {
	for _, out := range o {
		if err := out.sendControl(c); err != nil {
			return err
		}
	}
	return nil
}

func (o outputs[T]) flush() error {
	for _, out := range o {
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// singleOutput is an output to a consumer with one subtask.
type singleOutput[T any] struct{ inputChannels[T] }

func (o singleOutput[T]) send(e Event[T]) error { return o.inputChannels[0].send(e) }

// KeyedStream is a stream whose elements have keys. All elements with the same key go to
// the same subtask of a consumer.
type KeyedStream[K, T any] struct {
	stream *stream[T]
	key    codec.Codec[K]
	keyOf  func(T) K
}

// KeyBy returns s with keys that keyOf takes from the elements. The function keyOf must be
// deterministic, since a replayed element must get the same key, and safe for concurrent
// use.
func KeyBy[K, T any](s Stream[T], key codec.Codec[K], keyOf func(T) K) KeyedStream[K, T] {
	return KeyedStream[K, T]{s.stream, key, keyOf}
}

// keyedOutput sends each event to the subtask that owns the key group of its key.
type keyedOutput[K, T any] struct {
	inputChannels[T]
	key     codec.Codec[K]
	keyOf   func(T) K
	owners  []uint16 // subtask by key group
	encoded []byte   // scratch
}

func (o *keyedOutput[K, T]) send(e Event[T]) (err error) {
	if o.encoded, err = o.key.Append(o.encoded[:0], o.keyOf(e.Value)); err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	group := state.KeyGroup(xxhash.Sum64(o.encoded), len(o.owners))
	return o.inputChannels[o.owners[group]].send(e)
}

// keyedOutputs returns one output per sender.
func keyedOutputs[K, T any](s KeyedStream[K, T], channels []inputChannels[T], owners []uint16) []output[T] {
	outs := make([]output[T], len(channels))
	for i, c := range channels {
		if len(c) == 1 {
			outs[i] = singleOutput[T]{c}
			continue
		}
		outs[i] = &keyedOutput[K, T]{inputChannels: c, key: s.key, keyOf: s.keyOf, owners: owners}
	}
	return outs
}

// ownersOf returns the subtask that owns each key group.
func ownersOf(parallelism, maxParallelism int) []uint16 {
	owners := make([]uint16, maxParallelism)
	for i := range parallelism {
		groups := state.SubtaskKeyspace(i, parallelism, maxParallelism).Groups
		for group := int(groups.First); group <= int(groups.Last); group++ {
			owners[group] = uint16(i)
		}
	}
	return owners
}
