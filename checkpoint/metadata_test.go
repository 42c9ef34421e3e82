package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

func TestEveryFlippedBitOfMetadataIsFound(t *testing.T) {
	for name := range checkpointFixtures {
		data := readFixture(t, name)
		for i := range data {
			for bit := range 8 {
				data[i] ^= 1 << bit
				_, err := Decode(data)
				require.ErrorIs(t, err, ErrCorrupt, "%s: byte %d, bit %d", name, i, bit)
				data[i] ^= 1 << bit
			}
		}
		_, err := Decode(data)
		require.NoError(t, err, "all flips are undone")
	}
}

func TestEveryTruncationOfMetadataIsFound(t *testing.T) {
	for name := range checkpointFixtures {
		data := readFixture(t, name)
		refused := func(b []byte, change string, n int) {
			_, err := Decode(b)
			require.ErrorIs(t, err, ErrCorrupt, "%s: %s %d", name, change, n)
		}
		for n := range data {
			refused(data[:n:n], "cut at", n)
			if n >= 8 {
				refused(reseal(data[:n:n]), "cut and sealed at", n)
			}
		}
		refused(append(slices.Clone(data), 0), "longer by", 1)
		refused(append(slices.Clone(data), data...), "twice", 0)
		for _, more := range []int{1, 2, 100} {
			refused(sealedBytes(data[:len(data)-8], make([]byte, more)), "sealed with more", more)
		}
	}
}

// A bit is flipped and the checksum corrected. Either Decode fails, or it returns a checkpoint
// that is encoded to the same bytes.
func TestFlippedBitUnderARightChecksumIsRefusedOrChangesTheCheckpoint(t *testing.T) {
	meant, every := 0, density.Of(t, 4, 1, 1)
	for name := range checkpointFixtures {
		sound := readFixture(t, name)
		for i := range len(sound) - 8 {
			for bit := i % every; bit < 8; bit += every {
				data := slices.Clone(sound)
				data[i] ^= 1 << bit
				data = reseal(data)
				c, err := Decode(data)
				if err != nil {
					require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion), "%s: byte %d, bit %d: %v", name, i, bit, err)
					continue
				}
				meant++
				require.Equal(t, data, builtAs(versionOf(data), c), "%s: byte %d, bit %d", name, i, bit)
				_, err = encode(c)
				require.NoError(t, err, "%s: byte %d, bit %d", name, i, bit)
			}
		}
	}
	t.Log(meant, "flips changed the checkpoint")
}

// refusals returns checkpoints that encode and Decode must refuse.
func refusals() map[string]*Checkpoint {
	cases := make(map[string]*Checkpoint)
	add := func(name string, change func(*Checkpoint)) {
		c := fullCheckpoint()
		change(c)
		cases[name] = c
	}
	for _, name := range []string{"", "..", "../x", "/etc/passwd", "a/b", ".hidden", "a b", "a\x00", strings.Repeat("a", 201)} {
		add(fmt.Sprintf("job %.10q", name), func(c *Checkpoint) { c.Job = name })
		add(fmt.Sprintf("operator %.10q", name), func(c *Checkpoint) { c.Operators = []Operator{{name, []Part{{}}}} })
		add(fmt.Sprintf("file %.10q", name), func(c *Checkpoint) { c.Operators[0].Parts[1].Handle.Files[0].Name = name })
	}
	add("no id", func(c *Checkpoint) { c.ID = 0 })
	add("id of 20 digits", func(c *Checkpoint) { c.ID = maxNumber + 1 })
	add("no attempt", func(c *Checkpoint) { c.Attempt = 0 })
	add("attempt of 20 digits", func(c *Checkpoint) { c.Attempt = math.MaxUint64 })
	add("operator twice", func(c *Checkpoint) { c.Operators[2].Name = "idle" })
	add("operators out of order", func(c *Checkpoint) { slices.Reverse(c.Operators) })
	add("operator without parts", func(c *Checkpoint) { c.Operators[1].Parts = nil })
	add("too many parts in all", func(c *Checkpoint) { c.Operators[1].Parts = make([]Part, maxParts-5) })

	part := func(name string, change func(*Part)) { // a part with two files that are objects
		add(name, func(c *Checkpoint) { change(&c.Operators[0].Parts[1]) })
	}
	part("key groups of another subtask", func(p *Part) { p.Handle.Keyspace.Groups.First = 63 })
	part("all key groups", func(p *Part) { p.Handle.Keyspace.Groups = backend.GroupRange{Last: 127} })
	part("another max parallelism", func(p *Part) { p.Handle.Keyspace.MaxParallelism = 256 })
	part("no max parallelism", func(p *Part) { p.Handle.Keyspace.MaxParallelism = 0 })
	part("key groups above all", func(p *Part) { p.Handle.Keyspace.MaxParallelism = 100 })
	part("key groups in reverse", func(p *Part) { p.Handle.Keyspace.Groups = backend.GroupRange{First: 100, Last: 64} })
	part("rows below zero", func(p *Part) { p.Handle.Rows = -1 })
	part("bounds below the handle's", func(p *Part) { p.Handle.Files[0].Bounds.First = 63 })
	part("bounds above the handle's", func(p *Part) { p.Handle.Files[0].Bounds.Last = 101 })
	part("bounds in reverse", func(p *Part) { p.Handle.Files[0].Bounds = backend.GroupRange{First: 70, Last: 69} })
	part("size below zero", func(p *Part) { p.Handle.Files[0].Size = -1 })
	part("sizes above 2^63", func(p *Part) { p.Handle.Files[0].Size = math.MaxInt64 - 300 })
	part("file twice", func(p *Part) { p.Handle.Files[0].Name = p.Handle.Files[1].Name })
	part("file of another subtask", func(p *Part) { p.Handle.Files[0].Name = "3-counts-0" })
	part("file of another subtask, below", func(p *Part) { p.Handle.Files[0].Name = "3-counts-2.b" })
	part("metadata for a file", func(p *Part) { p.Handle.Files[0].Name = metadataName })
	part("states out of order", func(p *Part) {
		p.Handle.States = slices.Clone(p.Handle.States)
		slices.Reverse(p.Handle.States)
	})
	part("state twice", func(p *Part) { p.Handle.States = []backend.Info{p.Handle.States[0], p.Handle.States[0]} })
	part("state of no kind", func(p *Part) { p.Handle.States = []backend.Info{{Name: "a", Kind: 99}} })
	part("state without a name", func(p *Part) { p.Handle.States = []backend.Info{{Kind: backend.KindTimers}} })
	part("state with a codec too many", func(p *Part) {
		p.Handle.States = []backend.Info{{Name: "a", Kind: backend.KindValue, Codecs: make([]codec.ID, 2)}}
	})
	part("state with many codecs", func(p *Part) {
		p.Handle.States = []backend.Info{{Name: "a", Kind: backend.KindValue, Codecs: make([]codec.ID, maxCodecs+1)}}
	})
	part("too many states", func(p *Part) {
		p.Handle.States = slices.Repeat([]backend.Info{{Name: "a", Kind: backend.KindTimers}}, maxStates+1)
	})
	return cases
}

// packRefusals returns checkpoints whose packs or packed files encode and Decode must refuse.
func packRefusals() map[string]*Checkpoint {
	cases := make(map[string]*Checkpoint)
	add := func(name string, change func(c *Checkpoint, first, second *Part)) {
		c := packedCheckpoint()
		parts := c.Operators[len(c.Operators)-1].Parts
		change(c, &parts[0], &parts[1])
		cases[name] = c
	}
	for _, name := range []string{"", "x", "s41-3-op-0.7", "s41-3-pack", "s41-3-pack01", "s41-3-pack-1", "s41-3-packs1", "s41-3-pack1-0.5", "s43-3-pack1", "s41-4-pack1", "../s41-3-pack1"} {
		add(fmt.Sprintf("pack %q", name), func(c *Checkpoint, p, _ *Part) {
			c.Packs[1].Name = name
			p.Packed["s41-3-pack1-0.5"] = Place{name, 5000}
		})
	}
	for _, name := range []string{"x", "3-op-0", "3-pack", "4-pack1", "0-pack1"} {
		add(fmt.Sprintf("own pack %q", name), func(c *Checkpoint, _, p *Part) {
			c.Packs[0].Name = name
			p.Packed["3-z-1"] = Place{name, 0}
			c.Operators[0].Parts[1].Packed["3-counts-1.b"] = Place{name, 30000}
			slices.SortFunc(c.Packs, func(a, b Pack) int { return strings.Compare(a.Name, b.Name) })
		})
	}
	own, shared := "3-pack1", "s42-3-pack0"
	add("packs out of order", func(c *Checkpoint, _, _ *Part) { slices.Reverse(c.Packs) })
	add("pack twice", func(c *Checkpoint, _, _ *Part) { c.Packs[2] = c.Packs[1] })
	add("pack without a file", func(c *Checkpoint, _, _ *Part) {
		c.Packs = slices.Insert(c.Packs, 1, Pack{"3-pack2", 0})
	})
	add("pack of negative size", func(c *Checkpoint, _, _ *Part) { c.Packs[2].Bytes = -1 })
	add("file after the end of its pack", func(c *Checkpoint, _, _ *Part) { c.Packs[2].Bytes-- })
	add("empty file after the end of its pack", func(c *Checkpoint, _, _ *Part) { c.Packs[1].Bytes-- })
	add("files that overlap", func(_ *Checkpoint, _, p *Part) { p.Packed["s42-3-z-1.8"] = Place{shared, 1} })
	add("empty file within another", func(c *Checkpoint, _, _ *Part) { c.Operators[0].Parts[1].Packed["3-counts-1.b"] = Place{own, 1} })
	add("offset below zero", func(_ *Checkpoint, _, p *Part) { p.Packed["s42-3-z-1.8"] = Place{shared, -1} })
	add("end above 2^63", func(_ *Checkpoint, _, p *Part) { p.Packed["3-z-1"] = Place{own, math.MaxInt64 - 29999} })
	add("shared file in two places", func(_ *Checkpoint, p, _ *Part) { p.Packed["s7-2-op-0.12"] = Place{"s7-2-pack0", 0} })
	add("shared file in the pack of another checkpoint", func(_ *Checkpoint, _, p *Part) { p.Packed["s42-3-z-1.8"] = Place{"s41-3-pack1", 0} })
	for _, name := range []string{"s41-3-pack7", "3-pack7"} {
		add("file named like pack "+name, func(c *Checkpoint, _, _ *Part) { c.Operators[0].Parts[1].Handle.Files[0].Name = name })
	}
	return cases
}

// Places that do not fit their files cannot even be built.
func TestPlacesWithoutMatchingFilesOrPacksAreRefused(t *testing.T) {
	for name, change := range map[string]func(c *Checkpoint, p *Part){
		"of no file":                 func(_ *Checkpoint, p *Part) { p.Packed["other"] = Place{"3-pack1", 30000} },
		"in no pack":                 func(_ *Checkpoint, p *Part) { p.Packed["3-z-1"] = Place{} },
		"in another":                 func(_ *Checkpoint, p *Part) { p.Packed["3-z-1"] = Place{"3-pack2", 0} },
		"without handle":             func(_ *Checkpoint, p *Part) { p.Handle = nil },
		"inline too":                 func(_ *Checkpoint, p *Part) { p.Inline = map[string][]byte{"3-z-1": make([]byte, 30000)} },
		"not in a list":              func(c *Checkpoint, _ *Part) { c.Packs = c.Packs[1:] },
		"own file in a shared pack":  func(_ *Checkpoint, p *Part) { p.Packed["3-z-1"] = Place{"s42-3-pack0", 400} },
		"shared file in an own pack": func(_ *Checkpoint, p *Part) { p.Packed["s42-3-z-1.9"] = Place{"3-pack1", 30000} },
	} {
		c := packedCheckpoint()
		change(c, &c.Operators[len(c.Operators)-1].Parts[1])
		_, err := encode(c)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestInvalidMetadataIsNeitherEncodedNorDecoded(t *testing.T) {
	for name, c := range refusals() {
		_, err := encode(c)
		require.ErrorIs(t, err, ErrInvalid, name)
		for _, version := range []uint16{1, 3} {
			_, err = Decode(builtAs(version, c))
			require.ErrorIs(t, err, ErrCorrupt, name)
		}
	}
	for name, c := range packRefusals() {
		_, err := encode(c)
		require.ErrorIs(t, err, ErrInvalid, name)
		_, err = Decode(builtAs(4, c))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// Which subtask has which key groups is the engine's business.
func TestSubtasksMayHaveTheirKeyGroupsInAnyOrder(t *testing.T) {
	c := fullCheckpoint()
	slices.Reverse(c.Operators[0].Parts)
	back, err := Decode(encoded(t, c))
	require.NoError(t, err)
	require.Equal(t, c, back)
}

// Contents that do not fit their files cannot even be built.
func TestInlineContentsWithoutMatchingFilesAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Part){
		"too short":       func(p *Part) { p.Inline["3-counts-0"] = []byte("hell") },
		"too long":        func(p *Part) { p.Inline["3-counts-0"] = []byte("hello!") },
		"of no file":      func(p *Part) { p.Inline["other"] = nil },
		"without handle":  func(p *Part) { p.Handle = nil },
		"of another file": func(p *Part) { p.Inline = map[string][]byte{"other": []byte("hello")} },
	} {
		c := fullCheckpoint()
		change(&c.Operators[0].Parts[0])
		_, err := encode(c)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestHostileMetadataIsRefusedBeforeMemoryIsAllocated(t *testing.T) {
	head := builtHead("job", 1, 1, time.Unix(0, 0))
	whole := &snapshot.Handle{Keyspace: backend.WholeKeyspace(8)}
	part := func(pieces ...[]byte) []byte { // of the one operator
		return sealedBytes(append([][]byte{head, uv(1), txt("op"), uv(1)}, pieces...)...)
	}
	file := func(size uint64) []byte {
		f := builtFile(snapshot.FileRef{Name: "f", Bounds: whole.Keyspace.Groups})
		copy(f[2+16:], u64(size))
		return f
	}
	handle := append([]byte{1}, builtHandleHead(whole, uv(0))...)
	states := slices.Concat([]byte{1}, u32(8), builtGroups(whole.Keyspace.Groups))
	aState := slices.Concat(uv(1), txt("a"), []byte{6}, builtCodec(codec.ID{Name: "c"}))
	rows := u64(0)
	_, err := Decode(part(states, aState, []byte{1}, uv(0), rows, uv(1), file(2), []byte{0}, []byte("xy"), uv(1), []byte("z")))
	require.NoError(t, err, "the pieces fit together")

	for _, huge := range []uint64{100, 1 << 20, 1 << 31, 1 << 32, 1 << 60, math.MaxInt64, math.MaxUint64} {
		for name, data := range map[string][]byte{
			"operators": sealedBytes(head, uv(huge)),
			"job":       sealedBytes(head[:12], uv(huge), []byte("job")),
			"operator":  sealedBytes(head, uv(1), uv(huge), []byte("op")),
			"parts":     sealedBytes(head, uv(1), txt("op"), uv(huge), []byte{0, 0}),
			"data":      part([]byte{0}, uv(huge), []byte("data")),
			"states":    part(states, uv(huge), aState),
			"schemas":   part(states, aState, uv(huge)),
			"codecs":    part(states, aState, []byte{1}, uv(huge), builtCodec(codec.ID{})),
			"version":   part(states, uv(1), txt("a"), []byte{6}, txt("c"), uv(max(huge, 1<<32)), txt(""), []byte{1, 0}, rows, uv(0), uv(0)),
			"files":     part(handle, uv(huge), file(0), []byte{1}),
			"content":   part(handle, uv(1), file(huge), []byte{0}, []byte("xy")),
		} {
			var err error
			took := totalAllocated(func() { _, err = Decode(data) })
			require.Less(t, took, uint64(1<<20), "%s of %d", name, huge)
			if name == "schemas" {
				require.ErrorIs(t, err, ErrVersion)
			} else {
				require.ErrorIs(t, err, ErrCorrupt, "%s of %d", name, huge)
			}
		}
	}

	for name, data := range map[string][]byte{
		"form of a part":     part([]byte{2}, uv(0)),
		"location":           part(handle, uv(1), file(0), []byte{3}, uv(0)),
		"long number":        part([]byte{0}, []byte{0x81, 0x00}, []byte("z")),
		"longer number":      part([]byte{0}, bytes.Repeat([]byte{0x80}, 11)),
		"nanoseconds":        sealedBytes(head[:len(head)-4], u32(1e9), uv(0)),
		"zero in the head":   sealedBytes(head[:11], []byte{1}, head[12:], uv(0)),
		"magic":              sealedBytes([]byte("WEIRSNAP"), head[8:], uv(0)),
		"an entry":           builtEntry(fixtureEntry),
		"content twice":      part(handle, uv(2), file(1), []byte{0, 'a'}, file(1), []byte{0, 'b'}, uv(0)),
		"content, then name": part(handle, uv(2), file(1), []byte{0, 'a'}, file(1), []byte{1}, uv(0)),
		"no subtasks":        sealedBytes(head, uv(1), txt("op"), uv(0)),
		"nothing":            nil,
	} {
		_, err := Decode(data)
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.NotErrorIs(t, err, ErrVersion, name)
	}
}

// Most of the remaining bytes may be contents. A count of structure must not allocate memory
// for all of them.
func TestCountOfStructureIsLimitedEvenIfMoreBytesAreLeft(t *testing.T) {
	head := builtHead("job", 1, 1, time.Unix(0, 0))
	h := builtHandleHead(&snapshot.Handle{Keyspace: backend.WholeKeyspace(8)}, uv(0))
	contents := make([]byte, 6*maxStructureBytes)
	for name, data := range map[string][]byte{
		"operators": sealedBytes(head, uv(uint64(len(contents)/minOperatorBytes)), contents),
		"files":     sealedBytes(head, uv(1), txt("op"), uv(1), []byte{1}, h, uv(uint64(len(contents)/minFileBytes)), contents),
	} {
		var err error
		took := totalAllocated(func() { _, err = Decode(data) })
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.Less(t, took, uint64(1<<20), name)
	}
}

// totalAllocated returns the bytes that a function allocates, freed or not.
func totalAllocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestMetadataThatALaterVersionMayWriteIsErrVersion(t *testing.T) {
	head := builtHead("job", 1, 1, time.Unix(0, 0))
	h := &snapshot.Handle{Keyspace: backend.WholeKeyspace(8)}
	f := builtFile(snapshot.FileRef{Name: "f", Bounds: h.Keyspace.Groups})
	shared := sealedBytes(head, uv(1), txt("op"), uv(1), []byte{1}, builtHandleHead(h, uv(0)), uv(1), f, []byte{2}, uv(0))
	next := sealedBytes(head[:8], u16(newestVersion+1), []byte("anything"))
	for _, data := range [][]byte{shared, next} {
		_, err := Decode(data)
		require.ErrorIs(t, err, ErrVersion)
		require.NotErrorIs(t, err, ErrCorrupt)
	}
}

func TestStructureHasALimit(t *testing.T) {
	schema := strings.Repeat("x", maxStructureBytes)
	c := emptyCheckpoint()
	h := &snapshot.Handle{
		Keyspace: backend.WholeKeyspace(8),
		States:   []backend.Info{{Name: "a", Kind: backend.KindTimers, Key: codec.ID{Schema: schema}}},
	}
	c.Operators = []Operator{{"op", []Part{{Handle: h}}}}
	_, err := encode(c)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = Decode(sealedBytes(builtHead("j", 1, 1, c.Triggered), uv(1), txt("op"), uv(1), []byte{1}, u32(8), u16(0), u16(7),
		uv(1), txt("a"), []byte{6}, txt(""), uv(0), uv(maxStructureBytes), []byte(schema), []byte{1, 0}, u64(0), uv(0), uv(0)))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "structure")
}

// Contents may be larger than the limit for structure.
func TestContentsDoNotCountAsStructure(t *testing.T) {
	c := emptyCheckpoint()
	c.Operators = []Operator{{"a", []Part{{Data: make([]byte, maxStructureBytes)}, {}}}}
	back, err := Decode(encoded(t, c))
	require.NoError(t, err)
	require.Len(t, back.Operators[0].Parts[0].Data, maxStructureBytes)
	require.NoError(t, checkSize(maxMetadataBytes, maxMetadataBytes-maxStructureBytes))
	require.Error(t, checkSize(maxMetadataBytes, maxMetadataBytes-maxStructureBytes-1))
	require.Error(t, checkSize(maxMetadataBytes+1, maxMetadataBytes))
}

func TestRandomMetadataIsDecodedAsItWasEncoded(t *testing.T) {
	programs.Try(t, density.Of(t, 100, 1_000, 100_000), func(r *rapid.T) {
		c := drawCheckpoint(programs.Dice{T: r})
		data, err := encode(c)
		require.NoError(r, err)
		require.Equal(r, built(c), data)
		back, err := Decode(data)
		require.NoError(r, err)
		require.Equal(r, c, back)
		var want int64
		for _, o := range c.Operators {
			found, ok := back.Operator(o.Name)
			require.True(r, ok)
			require.Equal(r, o, found)
			for _, p := range o.Parts {
				require.EqualValues(r, builtPartSize(p), partSize(p))
				want += int64(len(p.Data))
				if p.Handle != nil {
					want += p.Handle.Bytes()
				}
			}
		}
		require.Equal(r, want, back.Bytes())
		_, ok := back.Operator("none")
		require.False(r, ok)
	})
}

// drawCheckpoint draws a checkpoint in the form that Decode returns.
func drawCheckpoint(d programs.Dice) *Checkpoint {
	number := rapid.Uint64Range(1, maxNumber)
	c := &Checkpoint{
		Job: "job", ID: ID(number.Draw(d.T, "ID")), Attempt: AttemptID(number.Draw(d.T, "attempt")),
		Triggered: time.Unix(rapid.Int64Range(-1<<39, 1<<39).Draw(d.T, "seconds"), int64(d.IntN(1e9))).UTC(),
	}
	for i := range d.IntN(4) {
		operator := Operator{Name: fmt.Sprint("operator-", i)}
		parallelism := 1 + d.IntN(4)
		for j := range parallelism {
			p := Part{Data: drawContent(d)}
			if !d.Halved(2) {
				p.Handle = &snapshot.Handle{Keyspace: backend.SubtaskKeyspace(j, parallelism, 128), Rows: rapid.Int64Min(0).Draw(d.T, "rows")}
				drawFiles(d, &p, fmt.Sprintf("%d-%d", i, j))
				if d.Halved(1) {
					p.Handle.States = fullCheckpoint().Operators[0].Parts[0].Handle.States[:1+d.IntN(5)]
				}
			}
			operator.Parts = append(operator.Parts, p)
		}
		c.Operators = append(c.Operators, operator)
	}
	return c
}

// drawFiles adds files, some of them inline, to the handle of a part.
func drawFiles(d programs.Dice, p *Part, prefix string) {
	for k := range d.IntN(4) {
		f := snapshot.FileRef{
			Name: fmt.Sprint(prefix, "-", k), Size: rapid.Int64Range(0, 1<<40).Draw(d.T, "size"), Checksum: rapid.Uint64().Draw(d.T, "checksum"),
			Identity: snapshot.Identity{byte(d.IntN(256)), 1}, Bounds: p.Handle.Keyspace.Groups,
		}
		if d.Halved(1) {
			if p.Inline == nil {
				p.Inline = make(map[string][]byte)
			}
			p.Inline[f.Name] = drawContent(d)
			f.Size = int64(len(p.Inline[f.Name]))
		}
		p.Handle.Files = append(p.Handle.Files, f)
	}
}

// drawContent draws up to 300 equal bytes; no bytes are nil, as Decode returns them.
func drawContent(d programs.Dice) []byte {
	n := d.IntN(301)
	if n == 0 {
		return nil
	}
	return bytes.Repeat([]byte{byte(d.IntN(256))}, n)
}

// The zone of the clock is not stored.
func TestTimesAreDecodedInUTC(t *testing.T) {
	c := emptyCheckpoint()
	now := time.Now()
	c.Triggered = now.In(time.FixedZone("", 3600))
	back, err := Decode(encoded(t, c))
	require.NoError(t, err)
	require.True(t, now.Equal(back.Triggered))
	require.Equal(t, now.Round(0).UTC(), back.Triggered)
}
