// Package hidden has types that package names mentions.
package hidden

type Aliased struct{}

func (*Aliased) Take(*Other) {}

type Other struct{}

type Base struct{}

func (*Base) Promoted() *Other { return nil }
