// Package gaps remembers ranges of a prefix in which no key has a value, so that iterators
// need not step over the same deleted keys again and again (Gaps). It also decides when a
// delete should explore its neighbourhood for such ranges. The package knows keys only:
// iterators in package lsm find gaps and skip them. The lock of the store guards everything.
package gaps
