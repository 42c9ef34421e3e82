package fuzz

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

var update = flag.Bool("update", false, "write the seed files of the targets")

// seed declares a committed input of a target: values of type []byte, string, bool or a number
// type. Go reads the seed file from testdata. With -update, seed writes the file; without, it
// fails if the file is missing.
func seed(f *testing.F, name string, values ...any) {
	file := filepath.Join("testdata", "fuzz", f.Name(), strings.ReplaceAll(name, " ", "-"))
	if *update {
		text := "go test fuzz v1\n"
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				text += fmt.Sprintf("[]byte(%q)\n", b)
			} else {
				text += fmt.Sprintf("%T(%#v)\n", v, v)
			}
		}
		require.NoError(f, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(f, os.WriteFile(file, []byte(text), 0o644))
	}
	_, err := os.Stat(file)
	require.NoError(f, err, "seed file is missing: run the target with -update")
}

// randomBytes returns n random bytes, the same for each call with the same number.
func randomBytes(number uint64, n int) []byte {
	r := rand.New(rand.NewPCG(number, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// input reads choices from the bytes of the fuzzer. After their end, all choices are 0.
type input struct{ rest []byte }

func (in *input) more() bool { return len(in.rest) > 0 }

func (in *input) byte() byte {
	if len(in.rest) == 0 {
		return 0
	}
	b := in.rest[0]
	in.rest = in.rest[1:]
	return b
}

// choice returns a number from 0 to n-1.
func (in *input) choice(n int) int { return int(in.byte()) % n }

// bytes returns up to limit bytes.
func (in *input) bytes(limit int) []byte {
	n := min(in.choice(limit+1), len(in.rest))
	b := in.rest[:n:n]
	in.rest = in.rest[n:]
	return b
}

func (in *input) string() string { return string(in.bytes(9)) }

func (in *input) uint64() uint64 {
	var b [8]byte
	in.rest = in.rest[copy(b[:], in.rest):]
	return binary.LittleEndian.Uint64(b[:])
}

// allocatedBytes returns the bytes that the process allocates while f runs, freed or not.
func allocatedBytes(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

// checkDecode decodes arbitrary bytes and checks the value. A strict codec must refuse bytes
// that it would not encode.
func checkDecode[T any](t *testing.T, c codec.Codec[T], strict bool, src []byte) {
	before := bytes.Clone(src)
	var v T
	var err error
	took := allocatedBytes(func() { v, err = c.Decode(src) })
	if limit := 4<<20 + 128*uint64(len(src)); took > limit {
		t.Fatalf("%v: decoding %d bytes allocates %d", c.ID(), len(src), took)
	}
	if !bytes.Equal(before, src) {
		t.Fatalf("%v: Decode changed its input", c.ID())
	}
	if err != nil {
		if !errors.Is(err, codec.ErrMalformed) {
			t.Fatalf("%v: %v", c.ID(), err)
		}
		return
	}
	encoded := checkEncode(t, c, v)
	if strict && !bytes.Equal(src, encoded) {
		t.Fatalf("%v: decodes %x to a value that it encodes as %x", c.ID(), src, encoded)
	}
	again, err := c.Decode(encoded)
	if err != nil {
		t.Fatalf("%v: does not decode what it encoded: %v", c.ID(), err)
	}
	if twice := checkEncode(t, c, again); !bytes.Equal(encoded, twice) {
		t.Fatalf("%v: %x decodes to a value that is encoded as %x", c.ID(), encoded, twice)
	}
	if c.Compare(v, again) != 0 {
		t.Fatalf("%v: Compare of a value and its decoded encoding is not 0", c.ID())
	}
}

// checkEncode returns the encoding of v, after it has checked every promise about encodings.
func checkEncode[T any](t *testing.T, c codec.Codec[T], v T) []byte {
	encoded, err := c.Append(nil, v)
	if err != nil {
		t.Fatalf("%v: %v", c.ID(), err)
	}
	if size, err := c.Size(v); err != nil || size != int64(len(encoded)) {
		t.Fatalf("%v: Size is %d, %v; Append wrote %d", c.ID(), size, err, len(encoded))
	}
	if fixed := c.FixedSize(); fixed >= 0 && fixed != len(encoded) {
		t.Fatalf("%v: FixedSize is %d; Append wrote %d", c.ID(), fixed, len(encoded))
	}
	for _, spare := range []int{0, 1, len(encoded) + 1} {
		before := append(make([]byte, 0, 2+spare), 'x', 0)
		if appended, err := c.Append(before, v); err != nil || string(appended) != "x\x00"+string(encoded) {
			t.Fatalf("%v: %x appended to other bytes is %x, %v", c.ID(), encoded, appended, err)
		}
	}
	return encoded
}

// checkOrder checks that a and b decode from their encodings, that Compare orders them like
// their encodings and, unless order is nil, that order agrees.
func checkOrder[T any](t *testing.T, c codec.Codec[T], same func(a, b T) bool, order func(a, b T) int, a, b T) {
	first, second := checkEncode(t, c, a), checkEncode(t, c, b)
	for _, pair := range []struct {
		v       T
		encoded []byte
	}{{a, first}, {b, second}} {
		src := bytes.Clone(pair.encoded)
		back, err := c.Decode(src)
		if err != nil {
			t.Fatalf("%v: %v", c.ID(), err)
		}
		clear(src) // the decoded value must not refer to src
		if !same(pair.v, back) {
			t.Fatalf("%v: %#v decodes to %#v", c.ID(), pair.v, back)
		}
	}
	want := bytes.Compare(first, second)
	if got := cmp.Compare(c.Compare(a, b), 0); got != want {
		t.Fatalf("%v: Compare is %d for %x and %x", c.ID(), got, first, second)
	}
	if got := codec.CompareEncoded(c, a, b); got != want {
		t.Fatalf("%v: CompareEncoded is %d for %x and %x", c.ID(), got, first, second)
	}
	if order != nil && cmp.Compare(order(a, b), 0) != want {
		t.Fatalf("%v: %#v and %#v are encoded in the wrong order, %x and %x", c.ID(), a, b, first, second)
	}
}

func equal[T comparable](a, b T) bool { return a == b }

// memory is a snapshot.Source and snapshot.Target that holds files by name.
type memory map[string][]byte

// Open implements snapshot.Source.
func (m memory) Open(_ context.Context, name string) (snapshot.Object, error) {
	file, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return object{bytes.NewReader(file)}, nil
}

type object struct{ *bytes.Reader }

func (o object) Size() (int64, error) { return o.Reader.Size(), nil }
func (object) Close() error           { return nil }

// Create implements snapshot.Target.
func (m memory) Create(_ context.Context, name string) (snapshot.File, error) {
	return &memoryFile{files: m, name: name}, nil
}

type memoryFile struct {
	bytes.Buffer
	files memory
	name  string
}

func (f *memoryFile) Abort() error { return nil }

func (f *memoryFile) Commit() error {
	f.files[f.name] = f.Bytes()
	return nil
}

// takeSnapshot returns a snapshot of b as a file, and its handle.
func takeSnapshot(t testing.TB, b snapshot.Backend, c snapshot.Compression) ([]byte, snapshot.Handle) {
	files := make(memory)
	r, err := snapshot.Start(context.Background(), b, files, snapshot.Options{Compression: c, Synchronous: true})
	require.NoError(t, err)
	h, err := r.Wait()
	require.NoError(t, err)
	return files["state"], h
}

// content returns the rows of a view, one line each.
func content(t testing.TB, v snapshot.View) (rows []string) {
	groups := v.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		require.NoError(t, v.Rows(uint16(group), func(key, value []byte) error {
			rows = append(rows, hex.EncodeToString(key)+" "+hex.EncodeToString(value))
			return nil
		}))
	}
	return rows
}

// contentOf returns the current rows of a backend, one line each.
func contentOf(t testing.TB, b snapshot.Backend) []string {
	v, err := b.View()
	require.NoError(t, err)
	defer v.Close()
	return content(t, v)
}

// eightGroups is a keyspace with few key groups, so that files are small.
var eightGroups = state.WholeKeyspace(8)
