// Package gaps remembers where the keys of a prefix have no values, so that walks do not
// step over the same deleted keys again and again (Gaps), and when a delete looks for such
// places. It knows keys only; whoever walks finds gaps and passes them. The lock of the
// store guards it.
package gaps
