package storagetest

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/snapshot"
)

// stepsOfProgram is the average number of operations in a random program.
const stepsOfProgram = 60

func randomPrograms(t *testing.T, h *harness) {
	programs.Try(t, density.Of(t, 10, 100, 1000), func(r *rapid.T) {
		p := &program{
			TB: programs.Test(t, r), dice: programs.Dice{T: r}, h: h, root: h.root(),
			model: make(map[string]string),
		}
		p.objects = h.open(p.TB, p.root)
		p.dice.Repeat(stepsOfProgram, p.step)
		for _, f := range p.files {
			require.NoError(p, f.Abort())
		}
		p.files = nil
		p.compare("")
		require.Empty(p, unfinished(p, p.objects, ""))
	})
}

// program is a random program and its model.
type program struct {
	testing.TB
	dice    programs.Dice
	h       *harness
	root    string
	objects checkpoint.Objects
	model   map[string]string // the contents of complete objects
	files   []*programFile    // begun and not ended
}

// programFile is a file that is being written.
type programFile struct {
	snapshot.File
	name, content string
}

// programNames are the names of a program's objects; programPrefixes are prefixes of some.
var (
	programNames    = []string{"job/a", "job/a-b", "job/c/d", "job/c/e", "job/c0", "k"}
	programPrefixes = []string{"", "job/", "job/a", "job/c", "job/c/", "job/c/d", "k", "x"}
)

// name returns one of the names.
func (p *program) name() string { return programNames[p.dice.IntN(len(programNames))] }

// step takes one random step.
func (p *program) step() {
	switch p.dice.IntN(8) {
	case 0, 1:
		p.create()
	case 2:
		p.write()
	case 3:
		p.end()
	case 4:
		name := p.name()
		p.Logf("Remove(%q)", name)
		require.NoError(p, p.objects.Remove(p.Context(), name))
		delete(p.model, name)
	case 5:
		p.compare(programPrefixes[p.dice.IntN(len(programPrefixes))])
	case 6:
		p.read(p.name())
	case 7:
		p.Logf("open the store again")
		p.objects = p.h.open(p.TB, p.root)
	}
}

// create begins an object. A store may refuse a taken name now or at the commit.
func (p *program) create() {
	name := p.name()
	_, taken := p.model[name]
	p.Logf("Create(%q)", name)
	file, err := p.objects.Create(p.Context(), name)
	if taken && err != nil {
		require.ErrorIs(p, err, fs.ErrExist)
		return
	}
	require.NoError(p, err)
	p.files = append(p.files, &programFile{File: file, name: name})
}

// write writes to a file that was begun.
func (p *program) write() {
	if len(p.files) == 0 {
		return
	}
	f := p.files[p.dice.IntN(len(p.files))]
	text := strings.Repeat(string(rune('a'+p.dice.IntN(26))), p.dice.IntN(1000))
	p.Logf("write %d bytes to %q", len(text), f.name)
	n, err := f.Write([]byte(text))
	require.NoError(p, err)
	require.Equal(p, len(text), n)
	f.content += text
}

// end commits or aborts a file that was begun.
func (p *program) end() {
	if len(p.files) == 0 {
		return
	}
	i := p.dice.IntN(len(p.files))
	f := p.files[i]
	p.files = slices.Delete(p.files, i, i+1)
	if p.dice.Halved(2) {
		p.Logf("abort %q", f.name)
		require.NoError(p, f.Abort())
		return
	}
	p.Logf("commit %q", f.name)
	err := f.Commit()
	if _, taken := p.model[f.name]; taken {
		require.ErrorIs(p, err, fs.ErrExist)
		require.NoError(p, f.Abort())
		return
	}
	require.NoError(p, err)
	p.model[f.name] = f.content
}

// read compares an object with the model.
func (p *program) read(name string) {
	p.Logf("read %q", name)
	want, ok := p.model[name]
	got, err := tryGet(p.Context(), p.objects, name)
	if !ok {
		require.ErrorIs(p, err, fs.ErrNotExist)
		return
	}
	require.NoError(p, err)
	requireSame(p, []byte(want), got, name)
}

// compare compares the listing of a prefix with the model.
func (p *program) compare(prefix string) {
	p.Logf("List(%q)", prefix)
	want := maps.Clone(p.model)
	for _, o := range list(p, p.objects, prefix) {
		data, ok := want[o.Name]
		require.True(p, ok, "%q is listed", o.Name)
		require.EqualValues(p, len(data), o.Size, o.Name)
		delete(want, o.Name)
	}
	for name := range want {
		require.False(p, strings.HasPrefix(name, prefix), "%q is missing", name)
	}
	for _, o := range unfinished(p, p.objects, prefix) {
		begun := slices.ContainsFunc(p.files, func(f *programFile) bool { return f.name == o.Of })
		require.True(p, begun, "an unfinished %q is listed", o.Of)
	}
}
