package lsmstate

import "github.com/weirstate/weir/internal/parse"

// parser reads the fields of a description.
type parser struct{ parse.Parser }
