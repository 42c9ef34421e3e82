package snapshot_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
)

// requireRefused reads a damaged file and requires a typed error.
func requireRefused(t *testing.T, file []byte, format string, args ...any) {
	requireTyped(t, readFile(file, ignore), format, args...)
}

func requireTyped(t *testing.T, err error, format string, args ...any) {
	if !errors.Is(err, snapshot.ErrCorrupt) && !errors.Is(err, snapshot.ErrVersion) {
		require.Failf(t, "not found", "%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// Every bit of a file is covered by a checksum or is part of one.
func TestEveryFlippedBitIsFound(t *testing.T) {
	flipped := 0
	for _, f := range fixtures {
		file := f.read(t)
		for i := range file {
			bits := density.Of(t, 1, 1, 8)
			if f == fixtures[0] {
				bits = density.Of(t, 2, 8, 8) // all bits of one file; the other files would take too long
			}
			for bit := range bits {
				mask := byte(1) << ((i + bit) % 8)
				file[i] ^= mask
				requireRefused(t, file, "%s: byte %d ^ %#02x", f.file, i, mask)
				file[i] ^= mask
				flipped++
			}
		}
		require.NoError(t, readFile(file, ignore), "the file is itself again")
	}
	t.Log(flipped, "bits flipped")
}

// ReadHandle promises that the file is intact.
func TestNoHandleIsMadeOfADamagedFile(t *testing.T) {
	file := fixtures[0].read(t)
	for i := range file {
		file[i] ^= 1 << (i % 8)
		_, err := snapshot.ReadHandle(context.Background(), memory{"state": file}, "state")
		requireTyped(t, err, "byte %d", i)
		file[i] ^= 1 << (i % 8)
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	cut := 0
	for _, f := range fixtures {
		file := f.read(t)
		for n := range file {
			requireRefused(t, file[:n:n], "%s: %d bytes of %d", f.file, n, len(file))
			cut++
		}
		requireRefused(t, append(slices.Clone(file), 0), "%s: a byte more", f.file)
		requireRefused(t, append(slices.Clone(file), file...), "%s: twice", f.file)
	}
	t.Log(cut, "truncations")
}

// These sizes, and the layout that blocksOf reads, are from docs/format-snapshot.md.
const (
	preambleBytes = 36
	frameBytes    = 24
	trailerBytes  = 28
)

// blocksOf returns the blocks of a file.
func blocksOf(file []byte) (blocks [][]byte) {
	for at := preambleBytes; at < len(file)-trailerBytes; {
		end := at + frameBytes + int(binary.BigEndian.Uint32(file[at+8:]))
		blocks = append(blocks, file[at:end])
		at = end
	}
	return blocks
}

// joined returns a file with other blocks between its preamble and trailer.
func joined(file []byte, blocks ...[]byte) []byte {
	return slices.Concat(file[:preambleBytes], bytes.Join(blocks, nil), file[len(file)-trailerBytes:])
}

// Checksums and sequence numbers bind each block to its file and its position.
func TestEveryMisplacedBlockIsFound(t *testing.T) {
	misplaced := 0
	for _, f := range fixtures {
		file := f.read(t)
		blocks := blocksOf(file)
		require.Equal(t, file, joined(file, blocks...))
		foreign := blocksOf(f.write(t, snapshot.Identity{'o', 't', 'h', 'e', 'r'}))
		require.Len(t, foreign, len(blocks))
		refused := func(damage string, i int, changed [][]byte) {
			requireRefused(t, joined(file, changed...), "%s: block %d %s", f.file, i, damage)
			misplaced++
		}
		for i, b := range blocks {
			refused("dropped", i, slices.Delete(slices.Clone(blocks), i, i+1))
			refused("doubled", i, slices.Insert(slices.Clone(blocks), i, b))
			refused("foreign", i, slices.Replace(slices.Clone(blocks), i, i+1, foreign[i]))
			for j := range i {
				swapped := slices.Clone(blocks)
				swapped[i], swapped[j] = blocks[j], b
				refused(fmt.Sprint("swapped with ", j), i, swapped)
				refused(fmt.Sprint("over ", j), i, slices.Replace(slices.Clone(blocks), j, j+1, b))
			}
		}
	}
	t.Log(misplaced, "files with a misplaced block")
}

// Other tests rely on it.
func TestFixtureOfSmallBlocksHasEveryKind(t *testing.T) {
	kinds := make(map[byte]int)
	for _, b := range blocksOf(fixtures[2].read(t)) {
		kinds[b[0]]++
	}
	for _, kind := range []byte{kindHeader, kindRows, kindLarge, kindContinued, kindIndex} {
		require.NotZero(t, kinds[kind], "kind %d", kind)
	}
	require.Greater(t, kinds[kindRows], 8, "more than one block in a key group")
	t.Log(kinds)
}
