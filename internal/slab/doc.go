// Package slab allocates memory outside the garbage-collected heap under one budget: slabs of
// 1 MiB, which are recycled, for memtables and the block cache; and regions of any size, for
// the indexes and filters of open tables. Several trees may share a budget. The package knows
// nothing of the memory's use.
package slab
