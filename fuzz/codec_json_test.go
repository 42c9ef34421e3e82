package fuzz

import (
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecJSON(f *testing.F) {
	seed(f, "object", []byte(`{"Name":"a","Tags":["b","c"],"Counts":{"d":1},"Next":{"Name":"e"}}`))
	seed(f, "unknown field", []byte(`{"name":"a","other":[1,2,{}]}`))
	seed(f, "null", []byte(`null`))
	seed(f, "deep", []byte(`{"Next":{"Next":{"Next":{"Next":{}}}}}`))
	seed(f, "cut", []byte(`{"Name":"\ud800`))
	type document struct {
		Name   string
		Tags   []string
		Counts map[string]int64
		Rate   float64
		Next   *document
	}
	c := codec.JSON[document]("document", 1)
	anything := codec.JSON[any]("anything", 1)
	f.Fuzz(func(t *testing.T, src []byte) {
		checkDecode(t, c, false, src)
		checkDecode(t, anything, false, src)
	})
}
