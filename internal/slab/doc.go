// Package slab is memory outside the garbage collected heap under one budget:
// slabs of 1 MiB that are recycled, for what changes all the time, of which a small
// user's first one counts as far as it is used, and regions of any size, for what lives as long as a file is open. Several trees may share
// a budget. The room may not know what the memory is used for.
package slab
