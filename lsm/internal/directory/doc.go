// Package directory represents the directory of a store: its lock, the names of its files and
// their meaning, and the removal of files that the store does not need. It does not know the
// content of any file.
package directory
