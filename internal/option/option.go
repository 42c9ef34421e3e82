// Package option holds the error for an option that is out of range. Each package that takes
// options exports this error as its own ErrInvalidOption. So errors.Is(err, ErrInvalidOption)
// gives the same answer whichever package checked the option and whichever package's name the
// caller used.
package option

import "errors"

// ErrArgument is returned for an argument without meaning, such as a missing codec or an
// empty name. Package state exports it as ErrInvalid.
var ErrArgument = errors.New("invalid argument")

// ErrInvalid is returned for an option that is out of range or contradicts another option.
// Options are arguments: errors.Is(ErrInvalid, ErrArgument) is true.
var ErrInvalid error = invalid{}

type invalid struct{}

func (invalid) Error() string { return "invalid option" }

func (invalid) Unwrap() error { return ErrArgument }
