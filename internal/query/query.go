// Package query reads the options in the query of a URL: whole numbers, sizes with units, switches
// and names. Presets and checkpoint storages use it, so that all URLs have one syntax and one kind
// of error. It does not know which options exist.
//
// Errors never quote the query, because it may contain a secret. They name the keys that are legal, and
// the one that is most similar to an unknown key.
package query

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key is one key that a query may have.
type Key struct {
	// Name is the name of the key.
	Name string
	// Want describes the legal values, for errors.
	Want string
	// Set stores a value and returns false if it is illegal.
	Set func(value string) bool
}

// Apply sets the options for the keys of a query. Each key may appear once. In values a plus sign
// stands for itself.
func Apply(query string, keys ...Key) error {
	unknown, err := apply(query, keys)
	if err == nil && len(unknown) > 0 {
		err = &unknownKeyError{slices.Sorted(maps.Keys(unknown)), names(keys)}
	}
	return err
}

// ApplySome sets the options for those keys of a query that are in keys, and returns the rest as
// a query.
func ApplySome(query string, keys ...Key) (rest string, err error) {
	unknown, err := apply(query, keys)
	return Encode(unknown), err
}

// Encode returns values as a query that Apply reads: url.Values.Encode writes a plus for a space, which
// Apply takes for a plus.
func Encode(values url.Values) string { return strings.ReplaceAll(values.Encode(), "+", "%20") }

// apply sets the options for the keys that are known, and returns the others.
func apply(query string, keys []Key) (unknown url.Values, err error) {
	values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B")) // a plus would become a space
	emptyPart := query != "" && slices.Contains(strings.Split(query, "&"), "")
	if err != nil || emptyPart { // err quotes the query
		return nil, errors.New("malformed query: want key=value&key=value")
	}
	known := names(keys)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.Index(known, name)
		switch {
		case i < 0:
		case len(values[name]) > 1:
			return nil, fmt.Errorf("query key %s appears more than once", name)
		case !keys[i].Set(values.Get(name)):
			return nil, fmt.Errorf("illegal value of query key %s: want %s", name, keys[i].Want)
		default:
			delete(values, name)
		}
	}
	return values, nil
}

// names returns the names of keys.
func names(keys []Key) (names []string) {
	for _, k := range keys {
		names = append(names, k.Name)
	}
	return names
}

// Enum returns a key whose values are the keys of the map values.
func Enum[T any](name, want string, values map[string]T, option *T) Key {
	return Key{name, want, func(value string) bool {
		v, ok := values[value]
		if ok {
			*option = v
		}
		return ok
	}}
}

// Bool returns a key with the values true and false.
func Bool(name string, option *bool) Key {
	return Enum(name, "true or false", map[string]bool{"true": true, "false": false}, option)
}

// Text returns a key whose value is any text but the empty one. want describes it, for errors.
func Text(name, want string, option *string) Key {
	return Key{name, want, func(value string) bool { *option = value; return value != "" }}
}

// Count returns a key whose value is a whole number from 1.
func Count(name string, option *int) Key {
	return Key{name, "a whole number from 1", func(value string) bool {
		n, err := strconv.ParseUint(value, 10, 31)
		*option = int(n)
		return err == nil && n > 0
	}}
}

// Duration returns a key whose value is a duration above zero.
func Duration(name string, option *time.Duration) Key {
	return Key{name, "a duration above 0, such as 30s", func(value string) bool {
		d, err := time.ParseDuration(value)
		*option = d
		return err == nil && d > 0
	}}
}

// Size returns a key whose value is a size of at least minBytes.
func Size(name string, minBytes int64, option *int64) Key {
	want := fmt.Sprintf("a size from %s, such as 5MiB, in B, KiB, MiB, GiB, kB, MB or GB", formatSize(minBytes))
	return Key{name, want, func(value string) bool {
		size, ok := parseSize(value)
		if ok = ok && size >= minBytes; ok {
			*option = size
		}
		return ok
	}}
}

// units are the units of sizes. A unit stands after all longer units that end with it: "B"
// is last.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// formatSize returns a size in the largest unit of powers of 1024 of which it is a multiple.
func formatSize(bytes int64) string {
	best := units[len(units)-1]
	for _, unit := range units[:3] {
		if bytes > 0 && bytes%unit.bytes == 0 {
			best = unit
		}
	}
	return fmt.Sprint(bytes/best.bytes, best.name)
}

// parseSize reads a whole number with a unit. It returns false for other texts, and for
// sizes above math.MaxInt64.
func parseSize(text string) (size int64, ok bool) {
	for _, unit := range units {
		digits, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || int64(n) > math.MaxInt64/unit.bytes {
			return 0, false
		}
		return int64(n) * unit.bytes, true
	}
	return 0, false
}
