// Package arch holds no code, only the test that keeps the picture of the
// house true: which room may import which (docs/architecture.md). The table is
// in house_test.go. A room that is not in it fails the test, and so does an
// import that the table does not allow.
package arch
