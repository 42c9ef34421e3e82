package directory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirstate/weir/internal/durable"
)

// Names in the directory of a store. See docs/format-manifest.md.
const (
	CurrentName    = "CURRENT"
	LockName       = "LOCK"
	ManifestPrefix = "MANIFEST-"
	TableSuffix    = ".sst"
	LogSuffix      = ".log"
	lostSuffix     = ".lost" // follows the name of a table that was set aside
)

// ManifestName returns the name of a manifest.
func ManifestName(number uint64) string { return fmt.Sprintf("%s%06d", ManifestPrefix, number) }

// TableName returns the name of a table.
func TableName(number uint64) string { return fmt.Sprintf("%06d%s", number, TableSuffix) }

// LogName returns the name of a log.
func LogName(number uint64) string { return fmt.Sprintf("%06d%s", number, LogSuffix) }

// LostName returns the name of a table that was set aside.
func LostName(number uint64) string { return TableName(number) + lostSuffix }

// Kind is what a file in the directory of a store is.
type Kind int

// Kinds of files.
const (
	OtherFile Kind = iota
	TableFile
	LogFile
	ManifestFile
	LockFile
	CurrentFile
	CurrentTemp // CURRENT before it is
	LostFile    // a table that was set aside
)

// IsRemovable reports whether a file of this kind is removed when the store is opened
// and does not need it.
func (k Kind) IsRemovable() bool {
	switch k {
	case ManifestFile, TableFile, LogFile, CurrentTemp:
		return true
	}
	return false
}

// KindOf returns what a name stands for.
func KindOf(name string) Kind {
	kind, _ := ParseName(name)
	return kind
}

// NumberOf returns the number in the name of a file, 0 if it has none.
func NumberOf(name string) uint64 {
	_, number := ParseName(name)
	return number
}

// ParseName returns what a name stands for, and the number in it, 0 if it has no number.
func ParseName(name string) (kind Kind, number uint64) {
	switch {
	case name == LockName:
		return LockFile, 0
	case name == CurrentName:
		return CurrentFile, 0
	case strings.HasPrefix(name, CurrentName+".") && strings.HasSuffix(name, durable.TempSuffix):
		return CurrentTemp, 0
	}
	if n, ok := ParseNumber(name, "", TableSuffix); ok {
		return TableFile, n
	}
	if n, ok := ParseNumber(name, "", LogSuffix); ok {
		return LogFile, n
	}
	if n, ok := ParseNumber(name, ManifestPrefix, ""); ok {
		return ManifestFile, n
	}
	if n, ok := lostNumber(name); ok {
		return LostFile, n
	}
	return OtherFile, 0
}

// ParseNumber reads the number in a name, which is written in one way only.
func ParseNumber(name, prefix, suffix string) (number uint64, ok bool) {
	digits, hasPrefix := strings.CutPrefix(name, prefix)
	digits, hasSuffix := strings.CutSuffix(digits, suffix)
	if !hasPrefix || !hasSuffix || len(digits) < 6 || len(digits) > 19 || len(digits) > 6 && digits[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		number = number*10 + uint64(c-'0')
	}
	return number, number > 0
}

// lostNumber returns the number in the name of a table that was set aside.
func lostNumber(name string) (number uint64, ok bool) {
	table, ok := strings.CutSuffix(name, lostSuffix)
	if !ok {
		return 0, false
	}
	return ParseNumber(table, "", TableSuffix)
}

// LogNumbers returns those of the log files in a directory, ascending, from the
// first one that is needed on.
func LogNumbers(names []string, first uint64) (numbers []uint64) {
	for _, name := range names {
		if n, ok := ParseNumber(name, "", LogSuffix); ok && n >= first {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}
