package codec

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Calls take memory from pools. This test would find two calls that use the same memory, and a value
// that is only referenced from memory that the garbage collector does not scan.
func TestStructsAreSafeForConcurrentUse(t *testing.T) {
	slow := Func("slow", 1,
		func(dst []byte, v string) ([]byte, error) { grow(200); runtime.GC(); return append(dst, v...), nil },
		func(src []byte) (string, error) { grow(200); runtime.GC(); return string(src), nil })
	type row struct{ A, B string }
	rows := Struct("row", 1,
		Field("a", func(r *row) *string { return &r.A }, slow),
		Field("b", func(r *row) *string { return &r.B }, slow))

	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for j := range 3 {
				fresh := row{A: strings.Repeat("a\x00", 20+i), B: strings.Repeat("b", 50+j)}
				raw, err := rows.Append(nil, fresh)
				if err != nil {
					t.Error(err)
				}
				got, err := rows.Decode(raw)
				if err != nil || got != fresh {
					t.Errorf("%#v became %#v (%v)", fresh, got, err)
				}
				if size, err := rows.Size(fresh); err != nil || size != int64(len(raw)) {
					t.Errorf("size %d (%v), want %d", size, err, len(raw))
				}
				if rows.Compare(got, fresh) != 0 {
					t.Errorf("%#v differs from %#v", got, fresh)
				}
			}
		})
	}
	group.Wait()
}

// grow makes the stack so large that the runtime must move it.
func grow(depth int) int {
	var frame [256]byte
	if depth == 0 {
		return 0
	}
	return grow(depth-1) + int(frame[depth%256])
}

func TestDecodingAFieldWritesOnlyItsOwnMemory(t *testing.T) {
	type row struct {
		A [2]int16
		B int16
	}
	c := Struct("row", 1,
		Field("b", func(r *row) *int16 { return &r.B }, Int[int16]()),
		Field("a1", func(r *row) *int16 { return &r.A[1] }, Int[int16]()))
	raw, err := c.Append(nil, row{A: [2]int16{1, 2}, B: 3})
	require.NoError(t, err)
	require.Equal(t, []byte{0x80, 3, 0x80, 2}, raw)
	got, err := c.Decode(raw)
	require.NoError(t, err)
	require.Equal(t, row{A: [2]int16{0, 2}, B: 3}, got)
}

func TestStructCopiesItsFields(t *testing.T) {
	fields := []FieldOf[point]{
		Field("x", func(p *point) *int16 { return &p.X }, Int[int16]()),
		Field("y", func(p *point) *int16 { return &p.Y }, Int[int16]()),
	}
	c := Struct("p", 1, fields...)
	fields[0], fields[1] = fields[1], fields[0]
	raw, err := c.Append(nil, point{X: 1, Y: 2})
	require.NoError(t, err)
	require.Equal(t, []byte{0x80, 1, 0x80, 2}, raw)
}
