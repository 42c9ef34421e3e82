package window

import "errors"

// ErrTime is returned by Add for the time math.MaxInt64, which no window holds:
// the end of a window is exclusive.
var ErrTime = errors.New("no window holds this time")
