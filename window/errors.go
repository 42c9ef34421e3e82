package window

import "errors"

// ErrTime is returned by Windows.Add for an element with time math.MaxInt64. No window
// contains this time, because the end of a window is exclusive.
var ErrTime = errors.New("no window holds this time")
