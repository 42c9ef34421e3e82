package weir

import "github.com/weirstate/weir/state"

// ErrInvalidOption is returned for an option of a preset that is out of range. It is
// state.ErrInvalidOption, lsm.ErrInvalidOption and checkpoint.ErrInvalidOption too.
var ErrInvalidOption = state.ErrInvalidOption
