// Package state gives the operators of a stream job their keyed state: values, lists, maps,
// folded values and timers, stored separately for each key.
//
// # First steps
//
// A program opens a backend, binds it to the type of its keys, and declares states on it.
// Then it sets the current key for each element and calls operations, which work on that key:
//
//	b, err := heapstate.NewHash(state.Options{})                // or lsmstate.Create, weir.Open
//	keyed, err := state.NewKeyed(b, codec.String[string]())     // keys are strings
//	visits, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{
//		Name: "visits", Codec: codec.Int[int64](),
//	})
//	err = keyed.SetKey("ann")
//	n, ok, err := visits.Get()                                  // the value of "ann"
//	err = visits.Set(n + 1)
//
// A job of package job opens the backends and sets the current key before it calls an operator.
// The operator gets its Keyed from Task.Keyed and declares its states when it opens.
//
// # Kinds of state
//
//	declared by     holds for each key and namespace       operations
//	ValueOf         one value                              Get Set Clear
//	ListOf          a list in order of arrival             Get All Add AddAll Set Clear
//	MapOf           a map ordered by encoded user key      Get Contains Floor Put PutAll Remove
//	                                                       Len IsEmpty All From Keys Values Clear
//	ReducingOf      values folded into one of their type   Get Add Clear
//	AggregatingOf   values folded into an accumulator      Get Add Clear
//	TimersOf        timers in event and processing time    Register Delete Advance Next Len
//
// Each handle of a state has SetNamespace, and lists, reducing and aggregating states have
// MergeNamespaces. Timers take the namespace as an argument.
//
// The interfaces ValueState, ListState, MapState, ReducingState and AggregatingState and the
// type Timers document every operation. Declaring a name again with the same kind and codecs
// returns a further handle of the same state.
//
// A program must not modify values that it has passed to a state or read from one: a heap
// backend stores and returns them without copying.
//
// # Keys, namespaces and key groups
//
// Every state has one value, list or map per pair of key and namespace. A namespace is any
// byte string; nil is the void namespace, in which every handle starts. Windows use one
// namespace per window. MergeNamespaces joins the contents of namespaces of one key, as
// session windows need it. See Keyed.
//
// A hash of the encoded key assigns each key to a key group. A backend owns a range of key
// groups; a job changes its parallelism by giving ranges to other subtasks. See
// backend.KeyGroup, KeyGroupOf and SubtaskOf.
//
// # Codecs
//
// Package codec has the codecs. The codec of a key defines which keys are equal: two keys are
// the same if their encodings are. A snapshot records name, version and schema of every codec,
// and a restore refuses state that was written with another codec (ErrIncompatible).
//
// # Reading from other goroutines
//
// QueryValue, QueryList, QueryMap, QueryReducing and QueryAggregating read a View, which is
// the state of a backend at one moment. Any number of goroutines may query a view while the
// task continues to write.
//
// # Errors
//
// Errors wrap the sentinels of this package, so errors.Is finds them. Their texts contain the
// name of the state and sizes, never keys or values:
//
//	ErrNoKey                          SetKey was not called, or its last call failed
//	ErrKeyGroup                       the backend does not own the key
//	ErrKeyTooLarge, ErrValueTooLarge  a limit is exceeded; the error is a *SizeError
//	ErrInvalid, ErrInvalidOption      an argument or an option makes no sense
//	ErrStateMismatch                  the name is declared with another kind or codec
//	ErrClosed                         the backend is closed
//	ErrCorrupt                        stored bytes do not decode
//
// A write that fails a check changes nothing. A write that ends with an I/O error of the
// disk may be done in part; the program then restores from a checkpoint.
//
// # Thread safety
//
// A backend, its Keyed, states and timers belong to one goroutine, the task's. Descriptors and
// codecs may be shared. Queries are safe for concurrent use.
//
// # Other packages
//
// Package backend has the interfaces that a backend implements. Programs need it rarely: this
// package exports Options, Limits, Keyspace and the errors under the same names. This package
// must not know which backends exist, nor how or where a snapshot is written.
package state
