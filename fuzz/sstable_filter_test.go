package fuzz

import (
	"bytes"
	"testing"

	"github.com/weirstate/weir/run"
)

// FuzzSstableFilter reads a table with arbitrary filter, ranges and properties. An empty part is
// left out, or replaced by one that matches the others.
func FuzzSstableFilter(f *testing.F) {
	full := bytes.Repeat([]byte{0xff}, 128)
	seed(f, "full", full, byte(7), []byte{}, []byte{})
	seed(f, "empty", make([]byte, 64), byte(1), []byte{}, []byte{})
	seed(f, "no probes", full, byte(0), []byte{}, []byte{})
	seed(f, "many probes", full, byte(255), []byte{}, []byte{})
	seed(f, "odd", full[:65], byte(3), []byte{}, []byte{})
	seed(f, "ranges", full, byte(3), []byte("\x02\x00\x02b\x01c\x00"), []byte{})
	seed(f, "ranges that touch", full, byte(3), []byte("\x02\x00\x02b\x01b\x00"), []byte{})
	seed(f, "ranges too many", full, byte(3), []byte("\xff\xff\xff\xff\x0f\x00\x00"), []byte{})
	seed(f, "properties", full, byte(3), []byte{}, []byte("\x05colon\x03\x02\x00\x00\x01\x05\x00\x00\x02b"))
	seed(f, "properties that wrap", full, byte(3), []byte{}, []byte("\x05colon\x03\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x01\x05\x00\x00\x02b"))
	blocks := [][]byte{buildBlock(
		run.Entry{Key: []byte("a:"), Kind: run.DeletePrefix}, run.Entry{Key: []byte("a:b"), Kind: run.Set},
		run.Entry{Key: []byte("b"), Kind: run.Delete},
	)}
	f.Fuzz(func(t *testing.T, filter []byte, probes byte, ranges, properties []byte) {
		p := tableParts{blocks: blocks, probes: probes, entries: 3}
		if len(filter) > 0 {
			p.filter = filter
		}
		if len(ranges) > 0 {
			p.ranges = ranges
		}
		if len(properties) > 0 {
			p.properties = properties
		}
		exerciseTable(t, p.file())
	})
}
