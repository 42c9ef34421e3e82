package directory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirstate/weir/internal/durable"
)

// Names of files in the directory of a store. See docs/format-manifest.md.
const (
	CurrentName    = "CURRENT"
	LockName       = "LOCK"
	ManifestPrefix = "MANIFEST-"
	TableSuffix    = ".sst"
	LogSuffix      = ".log"
	lostSuffix     = ".lost" // appended to the name of a table that was set aside
)

// ManifestName returns the name of a manifest.
func ManifestName(number uint64) string { return fmt.Sprintf("%s%06d", ManifestPrefix, number) }

// TableName returns the name of a table.
func TableName(number uint64) string { return fmt.Sprintf("%06d%s", number, TableSuffix) }

// LogName returns the name of a log.
func LogName(number uint64) string { return fmt.Sprintf("%06d%s", number, LogSuffix) }

// LostName returns the name of a table that was set aside.
func LostName(number uint64) string { return TableName(number) + lostSuffix }

// Kind is the kind of a file in the directory of a store, by its name.
type Kind int

// Kinds of files.
const (
	OtherFile Kind = iota
	TableFile
	LogFile
	ManifestFile
	LockFile
	CurrentFile
	CurrentTemp // CURRENT while it is being written
	LostFile    // a table that was set aside
)

// IsRemovable reports whether the store removes files of this kind, if it does not need them,
// when it is opened.
func (k Kind) IsRemovable() bool {
	switch k {
	case ManifestFile, TableFile, LogFile, CurrentTemp:
		return true
	}
	return false
}

// KindOf returns the kind of a file.
func KindOf(name string) Kind {
	kind, _ := ParseName(name)
	return kind
}

// NumberOf returns the number in a file's name, 0 if the name has no number.
func NumberOf(name string) uint64 {
	_, number := ParseName(name)
	return number
}

// ParseName returns the kind of a file and the number in its name, 0 if the name has no
// number.
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

// ParseNumber returns the number in a name of the form prefix, digits, suffix. Each number has
// exactly one spelling: at least six digits, and more than six only without leading zeros.
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

// LogNumbers returns the numbers of the log files among names, ascending, without those below
// first.
func LogNumbers(names []string, first uint64) (numbers []uint64) {
	for _, name := range names {
		if n, ok := ParseNumber(name, "", LogSuffix); ok && n >= first {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}
