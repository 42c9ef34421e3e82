package heapstate

import "github.com/weirstate/weir/state/backend"

// ErrInvalidOption is returned by NewHash and NewBTree for an option that is out of range. It
// is state.ErrInvalidOption too.
var ErrInvalidOption = backend.ErrInvalidOption
