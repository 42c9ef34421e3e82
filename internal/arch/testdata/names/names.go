// Package names mentions types that other modules can and cannot name. See names_test.go.
package names

import "github.com/weirstate/weir/internal/arch/testdata/names/internal/hidden"

// Alias makes a type nameable, but not those of its methods.
type Alias = hidden.Aliased

var ByAlias Alias
var ByName *hidden.Aliased

func Direct(*hidden.Other) {}

type Method struct{ unexported hidden.Other }

func (Method) Get() map[string]hidden.Other { return nil }

type Field struct{ Func func() *hidden.Other }

type Interface interface{ Method(chan hidden.Other) }

type List []hidden.Other

type Embeds struct{ base }

type base struct{ hidden.Base }

type Box[T any] struct{ Value T }

func Generic() Box[hidden.Other] { return Box[hidden.Other]{} }

var Var hidden.Other

type private struct{}

func Private() *private { return nil }

func Constraint[T number](T) T { var zero T; return zero }

type number interface{ ~int | ~float64 }
