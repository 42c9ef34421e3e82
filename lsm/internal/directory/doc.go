// Package directory is the directory of a store: its lock, the names of the files in it
// and what they stand for, and the removal of those that are not needed. It does not know
// what is in a file.
package directory
