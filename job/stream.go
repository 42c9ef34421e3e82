package job

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Event is an element of a stream with its event time, in a unit of the job's.
type Event[T any] struct {
	Time  int64
	Value T
}

// Stream is what sources and operators put out. It may have several consumers:
// each gets all of it.
type Stream[T any] struct{ *stream[T] }

type stream[T any] struct {
	graph     *Graph
	consumers []consumer[T]
}

// consumer makes the subtasks of what consumes a stream, and of all that comes
// after it, for one attempt. It returns an outlet for each sender.
type consumer[T any] func(a *attempt, senders int) []outlet[T]

// outlet is where one sender puts a stream for one consumer.
//
// Thread safety: the sender's goroutine.
type outlet[T any] interface {
	send(Event[T]) error
	// mark sends a mark to all subtasks, behind all that was sent.
	mark(mark) error
	// flush sends off what is waiting for more.
	flush() error
}

// connect makes all consumers. It returns the outlets of each sender.
func (s *stream[T]) connect(a *attempt, senders int) []outlets[T] {
	all := make([]outlets[T], senders)
	for _, consume := range s.consumers {
		for i, out := range consume(a, senders) {
			all[i] = append(all[i], out)
		}
	}
	return all
}

// outlets are those of one sender to all consumers.
type outlets[T any] []outlet[T]

func (o outlets[T]) send(e Event[T]) error {
	for _, out := range o {
		if err := out.send(e); err != nil {
			return err
		}
	}
	return nil
}

func (o outlets[T]) mark(m mark) error {
	for _, out := range o {
		if err := out.mark(m); err != nil {
			return err
		}
	}
	return nil
}

func (o outlets[T]) flush() error {
	for _, out := range o {
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// soleOutlet is the outlet to a consumer of one subtask.
type soleOutlet[T any] struct{ lanes[T] }

func (o soleOutlet[T]) send(e Event[T]) error { return o.lanes[0].send(e) }

// KeyedStream is a stream with a key for each element: elements of a key go to
// the same subtask.
type KeyedStream[K, T any] struct {
	stream *stream[T]
	key    codec.Codec[K]
	of     func(T) K
}

// KeyBy gives a stream keys. The function must give the same key for the same
// element each time, and is called by several goroutines.
func KeyBy[K, T any](s Stream[T], key codec.Codec[K], of func(T) K) KeyedStream[K, T] {
	return KeyedStream[K, T]{s.stream, key, of}
}

// keyedOutlet sends each element to the subtask that owns its key group.
type keyedOutlet[K, T any] struct {
	lanes[T]
	key     codec.Codec[K]
	of      func(T) K
	owners  []uint16 // subtask by key group
	encoded []byte   // scratch
}

func (o *keyedOutlet[K, T]) send(e Event[T]) (err error) {
	if o.encoded, err = o.key.Append(o.encoded[:0], o.of(e.Value)); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	group := state.KeyGroup(xxhash.Sum64(o.encoded), len(o.owners))
	return o.lanes[o.owners[group]].send(e)
}

// keyedOutlets returns one for each sender.
func keyedOutlets[K, T any](s KeyedStream[K, T], ways []lanes[T], owners []uint16) []outlet[T] {
	outs := make([]outlet[T], len(ways))
	for i, way := range ways {
		if len(way) == 1 {
			outs[i] = soleOutlet[T]{way}
			continue
		}
		outs[i] = &keyedOutlet[K, T]{lanes: way, key: s.key, of: s.of, owners: owners}
	}
	return outs
}

// ownersOf says which subtask owns each key group.
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
