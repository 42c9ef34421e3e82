// Package memtabletest is what a memtable must do, as tests: every row of the
// algebra, walks beside writes, iteration and reading after the seal, values of
// all sizes, and a long comparison with a plain model. It knows tables by their
// interface; it may not know how one works.
package memtabletest
