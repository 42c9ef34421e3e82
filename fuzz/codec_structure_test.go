package fuzz

import (
	"bytes"
	"cmp"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

type inner struct {
	text string
	on   bool
}

type outer struct {
	name   string
	number int32
	raw    []byte
	inner  inner
	last   string
}

func FuzzCodecStruct(f *testing.F) {
	seed(f, "empty parts", []byte{0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0xFF, 1, 0, 0, 1})
	seed(f, "escaped", []byte{'a', 0, 0xFF, 0, 1, 0x80, 0, 0, 1, 'b', 0, 1, 0, 0xFF, 1, 0, 0xFF, 0, 1, 'z', 0})
	seed(f, "unknown mark", []byte{'a', 0, 2, 0, 1, 0x80, 0, 0, 1})
	seed(f, "no end", []byte{'a', 0})
	seed(f, "fixed", []byte{0x80, 0, 0, 0, 1})
	in := codec.Struct("inner", 1,
		codec.Field("text", func(i *inner) *string { return &i.text }, codec.String[string]()),
		codec.Field("on", func(i *inner) *bool { return &i.on }, codec.Bool[bool]()))
	out := codec.Struct("outer", 1,
		codec.Field("name", func(o *outer) *string { return &o.name }, codec.String[string]()),
		codec.Field("number", func(o *outer) *int32 { return &o.number }, codec.Int[int32]()),
		codec.Field("raw", func(o *outer) *[]byte { return &o.raw }, codec.Bytes()),
		codec.Field("inner", func(o *outer) *inner { return &o.inner }, in),
		codec.Field("last", func(o *outer) *string { return &o.last }, codec.String[string]()))
	fixed := codec.Struct("fixed", 1,
		codec.Field("number", func(o *outer) *int32 { return &o.number }, codec.Int[int32]()),
		codec.Field("on", func(o *outer) *bool { return &o.inner.on }, codec.Bool[bool]()))
	f.Fuzz(func(t *testing.T, src []byte) {
		checkDecode(t, in, true, src)
		checkDecode(t, out, true, src)
		checkDecode(t, fixed, true, src)
		checkDecode(t, codec.Struct[outer]("nothing", 1), true, src)

		choices := input{src}
		value := func() outer {
			return outer{choices.string(), int32(choices.uint64()), bytes.Clone(choices.bytes(9)),
				inner{choices.string(), choices.choice(2) == 1}, choices.string()}
		}
		checkOrder(t, out, func(a, b outer) bool {
			return a.name == b.name && a.number == b.number && bytes.Equal(a.raw, b.raw) && a.inner == b.inner && a.last == b.last
		}, compareOuter, value(), value())
	})
}

func compareOuter(a, b outer) int {
	on := func(v bool) int {
		if v {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.number, b.number), bytes.Compare(a.raw, b.raw),
		cmp.Compare(a.inner.text, b.inner.text), cmp.Compare(on(a.inner.on), on(b.inner.on)), cmp.Compare(a.last, b.last))
}
