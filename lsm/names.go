package lsm

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/weirstate/weir/internal/vfs"
)

// Names in the directory of a store. See docs/format-manifest.md.
const (
	currentName    = "CURRENT"
	lockName       = "LOCK"
	manifestPrefix = "MANIFEST-"
	tableSuffix    = ".sst"
	logSuffix      = ".log"
)

func manifestName(number uint64) string { return fmt.Sprintf("%s%06d", manifestPrefix, number) }
func tableName(number uint64) string    { return fmt.Sprintf("%06d%s", number, tableSuffix) }
func logName(number uint64) string      { return fmt.Sprintf("%06d%s", number, logSuffix) }

func (db *DB) path(name string) string { return filepath.Join(db.dir, name) }

// fileKind is what a file in the directory of a store is.
type fileKind int

const (
	otherFile fileKind = iota
	tableFile
	logFile
	manifestFile
	lockFile
	currentFile
	currentTemp // CURRENT before it is
	lostFile    // a table that was set aside
)

// isRemovable reports whether a file of this kind is removed when the store is opened
// and does not need it.
func (k fileKind) isRemovable() bool {
	switch k {
	case manifestFile, tableFile, logFile, currentTemp:
		return true
	}
	return false
}

func kindOfFile(name string) fileKind {
	kind, _ := parseName(name)
	return kind
}

// fileNumber is the number in the name of a file, 0 if it has none.
func fileNumber(name string) uint64 {
	_, number := parseName(name)
	return number
}

// parseName says what a name stands for, and the number in it, 0 if there is none.
func parseName(name string) (kind fileKind, number uint64) {
	switch {
	case name == lockName:
		return lockFile, 0
	case name == currentName:
		return currentFile, 0
	case strings.HasPrefix(name, currentName+".") && strings.HasSuffix(name, vfs.TempSuffix):
		return currentTemp, 0
	}
	if n, ok := parseNumber(name, "", tableSuffix); ok {
		return tableFile, n
	}
	if n, ok := parseNumber(name, "", logSuffix); ok {
		return logFile, n
	}
	if n, ok := parseNumber(name, manifestPrefix, ""); ok {
		return manifestFile, n
	}
	if n, ok := lostNumber(name); ok {
		return lostFile, n
	}
	return otherFile, 0
}

// parseNumber reads the number in a name, which is written in one way only.
func parseNumber(name, prefix, suffix string) (number uint64, ok bool) {
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
