package statetest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/weirstate/weir/state"
)

var errRefused = errors.New("refused by the function")

// Arguments for which functions of a program fail: reduce fails if refusedText is added, aggregate
// if refusedNumber is added, and joinAggregates if the source ends with refusedSource.
const (
	refusedText   = "refused"
	refusedNumber = -1
	refusedSource = ",-2"
)

// foldedBytes is the maximum size of a folded value: functions keep its last bytes.
const foldedBytes = 48

var reducing = state.ReducingDescriptor[string]{Name: "reducing", Codec: text, Reduce: reduce}

// reduce concatenates its arguments, so that the result shows their order.
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

// aggregate appends a number to the accumulator.
func aggregate(acc string, n int64) (string, error) {
	if n == refusedNumber {
		return "", errRefused
	}
	return tail(acc + "," + strconv.FormatInt(n, 10)), nil
}

// joinAggregates concatenates two accumulators.
func joinAggregates(target, source string) (string, error) {
	if strings.HasSuffix(source, refusedSource) {
		return "", errRefused
	}
	return tail(target + ";" + source), nil
}

// tail returns the last foldedBytes bytes of s.
func tail(s string) string { return s[max(0, len(s)-foldedBytes):] }
