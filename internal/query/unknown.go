package query

import (
	"errors"
	"slices"
	"strings"
)

// unknownKeyError is the error for a query with keys that are not legal. Its text does not contain
// the unknown keys.
type unknownKeyError struct {
	unknown []string
	legal   []string
}

// Error names the legal keys, and the one that was probably meant.
func (e *unknownKeyError) Error() string {
	text := "unknown query key"
	if name := similar(e.unknown, e.legal); name != "" {
		text += ", similar to " + name
	}
	return text + ": want " + strings.Join(e.legal, ", ")
}

// AddKeys returns an error of Apply with more legal keys, for a query that two callers of this
// package have read. ok is false if err does not wrap an error about an unknown key.
func AddKeys(err error, keys ...Key) (more error, ok bool) {
	var e *unknownKeyError
	if !errors.As(err, &e) {
		return err, false
	}
	legal := names(keys)
	for _, name := range e.legal {
		if !slices.Contains(legal, name) {
			legal = append(legal, name)
		}
	}
	return &unknownKeyError{e.unknown, legal}, true
}

// similar returns the legal key that is most similar to one of the unknown keys, or "" if none is:
// at most a third of its letters may differ.
func similar(unknown, legal []string) (best string) {
	bestDistance := 0
	for _, u := range unknown {
		for _, l := range legal {
			limit := max(len(l)/3, 1)
			if len(u) > len(l)+limit {
				continue
			}
			d := distance(strings.ToLower(u), l)
			if d <= limit && (best == "" || d < bestDistance) {
				best, bestDistance = l, d
			}
		}
	}
	return best
}

// distance returns the Levenshtein distance: the number of bytes that must be inserted, removed or
// replaced to make b from a.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // row[j] is the distance of a[:i] and b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
