package statetest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/weirstate/weir/state"
)

var errRefused = errors.New("refused by the function")

// What the functions of a program fail on: reduce and aggregate on the first
// two, as the next to be added, joinAggregates on the end of a source.
const (
	refusedText   = "refused"
	refusedNumber = -1
	refusedSource = ",-2"
)

// foldedBytes bounds what reducing and aggregating keep: the end of it.
const foldedBytes = 48

var reducing = state.ReducingDescriptor[string]{Name: "reducing", Codec: text, Reduce: reduce}

// reduce shows the order of its arguments.
func reduce(old, next string) (string, error) {
	if next == refusedText {
		return "", errRefused
	}
	return tail(old + next), nil
}

var aggregating = state.AggregatingDescriptor[int64, string, string]{
	Name: "aggregating", Codec: text,
	Create: func() string { return "" },
	Add:    aggregate,
	Merge:  joinAggregates,
	Result: func(acc string) (string, error) { return "<" + acc + ">", nil },
}

func aggregate(acc string, n int64) (string, error) {
	if n == refusedNumber {
		return "", errRefused
	}
	return tail(acc + "," + strconv.FormatInt(n, 10)), nil
}

func joinAggregates(target, source string) (string, error) {
	if strings.HasSuffix(source, refusedSource) {
		return "", errRefused
	}
	return tail(target + ";" + source), nil
}

func tail(s string) string { return s[max(0, len(s)-foldedBytes):] }
