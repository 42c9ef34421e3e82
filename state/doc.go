// Package state is the contract of keyed state: the kinds of state and what
// each operation means, key groups, namespaces, timers, errors, and the seam
// by which a backend is plugged in. A program declares typed states on a Keyed
// and works on them; a backend supplies either an index over typed tables that
// live on the heap, or a store of ordered bytes. The room may not know which
// backends exist, nor how or where a snapshot is written.
package state
