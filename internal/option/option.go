// Package option has the error for an option out of range. Packages hand it on by alias, so
// that errors.Is tells it whichever of them checked the option.
package option

import "errors"

// ErrInvalid is returned for an option that is out of range or contradicts another one.
var ErrInvalid = errors.New("invalid option")
