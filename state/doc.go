// Package state is keyed state as a job uses it: the kinds of state and what each operation
// means, namespaces, timers, limits and errors. A program opens a backend, types it by its
// keys (NewKeyed), declares states on it (ValueOf, ListOf, MapOf, ReducingOf, AggregatingOf,
// TimersOf), sets the current key and works. Other goroutines query the state as it was at
// a moment: they read a view of the backend by QueryValue, QueryList, QueryMap,
// QueryReducing and QueryAggregating.
//
// What a backend implements is in package state/backend. The names of it that a program
// needs too, such as Options and the errors, are handed on here. This package may not know
// which backends exist, nor how or where a snapshot is written.
package state
