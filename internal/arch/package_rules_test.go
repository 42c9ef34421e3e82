package arch

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// packageRule holds the imports that a package may have. It also applies to the packages below it
// that have no rule.
type packageRule struct {
	path    string   // below the module's root
	ours    []string // packages of Weir; everything means all packages below it in the table
	tests   []string // packages of Weir that its test files may import in addition
	modules []string // third-party modules; nil means those of core
	links   []string // if set, the only modules that may be compiled into a program that imports the package
}

const (
	compress = "github.com/klauspost/compress"
	xxhash   = "github.com/cespare/xxhash"
	btree    = "github.com/google/btree"
	testify  = "github.com/stretchr/testify"
	rapid    = "pgregory.net/rapid"
	goleak   = "go.uber.org/goleak"
	humanize = "github.com/dustin/go-humanize"
)

var (
	core       = []string{compress, xxhash, btree}
	everything = []string{"*"}
	// testModules and testPackages may be imported by every test file.
	testModules  = []string{testify, rapid, goleak}
	testPackages = []string{"internal/await", "internal/density", "internal/programs", "internal/vfsworld", "vfs/vfstest", "vfs"}
)

// rules is the drawing of docs/architecture.md as a table, from top to bottom: code imports only
// packages further down. Some packages do not exist yet, but their rules do.
var rules = []packageRule{
	{path: "bench", ours: everything, modules: everything},
	{path: "fuzz", ours: everything, modules: everything},
	{path: "cmd/weir", ours: everything},
	// Examples import public packages only, like a program outside the module.
	{path: "examples",
		ours:  []string{".", "job", "heapstate", "lsmstate", "checkpoint", "window", "snapshot", "state", "state/backend", "state/codec"},
		tests: []string{"state/statetest"}},
	{path: "internal/bench/command", ours: everything, tests: []string{"internal/bench/benchtest"}, modules: []string{humanize}},
	{path: "internal/bench/report", ours: []string{"internal/bench/harness", "internal/bench/results"}, tests: []string{"internal/bench/dataset"},
		modules: []string{humanize}},
	{path: "internal/bench/harness",
		ours: []string{"internal/bench/flightjob", "internal/bench/largejob", "internal/bench/dataset", "internal/bench/results",
			".", "job", "checkpoint", "snapshot", "internal/query"},
		tests: []string{"internal/bench/benchtest"}},
	// The graphs do not know which program runs them, or on which backend.
	{path: "internal/bench/flightjob",
		ours:  []string{"internal/bench/dataset", "job", "window", "state", "state/codec"},
		tests: []string{"internal/bench/benchtest"}},
	{path: "internal/bench/largejob",
		ours:  []string{"internal/bench/dataset", "job", "state", "state/codec"},
		tests: []string{"."}},
	{path: "internal/bench/benchtest", ours: []string{"internal/bench/dataset"}, modules: append(testModules, core...)},
	{path: "internal/bench/results"},
	{path: "internal/bench/dataset"},

	{path: ".",
		ours:  []string{"heapstate", "lsmstate", "checkpoint", "lsm", "snapshot", "state", "state/codec", "internal/query", "vfs"},
		tests: []string{"window", "state/backend", "state/statetest", "checkpoint/storagetest"},
		links: core},
	// A job receives a backend factory and a storage; it imports no backend.
	{path: "job",
		ours:  []string{"checkpoint", "window", "snapshot", "state", "state/codec", "internal/parse"},
		tests: []string{"heapstate", "lsmstate"},
		links: core},

	{path: "checkpoint/storagetest",
		ours:    []string{"checkpoint", "snapshot", "state/backend", "internal/density", "internal/programs"},
		modules: append(testModules, core...)},

	{path: "heapstate",
		ours:  []string{"internal/slotindex", "snapshot", "state/backend", "state/codec"},
		tests: []string{"state/statetest", "state"},
		links: core},
	{path: "lsmstate",
		ours:  []string{"lsm", "snapshot", "state/backend", "state/codec", "internal/parse", "internal/confine", "internal/durable", "internal/slotindex", "run", "vfs"},
		tests: []string{"state/statetest", "heapstate", "state"},
		links: core},
	{path: "checkpoint",
		ours:  []string{"snapshot", "state/backend", "state/codec", "internal/option", "internal/parse", "internal/confine", "internal/durable", "vfs"},
		tests: []string{"checkpoint/storagetest", "state/statetest", "heapstate", "lsmstate", "state"},
		links: core},
	{path: "window",
		ours:  []string{"state", "state/codec"},
		tests: []string{"state/statetest", "state/backend", "heapstate", "lsmstate", "snapshot"},
		links: core},

	{path: "lsm",
		ours: []string{"lsm/internal/compaction", "lsm/internal/gaps", "lsm/internal/merge", "lsm/internal/manifest", "lsm/internal/version",
			"lsm/internal/directory",
			"memtable", "sstable", "wal", "internal/parse", "run", "internal/slab", "internal/confine", "internal/durable", "vfs"},
		links: []string{compress, xxhash}},
	{path: "lsm/internal/compaction", ours: []string{"lsm/internal/merge", "lsm/internal/version", "sstable", "run", "internal/pace"}},
	{path: "lsm/internal/merge", ours: []string{"lsm/internal/version", "memtable", "sstable", "run"}, tests: []string{"internal/slab"}},
	{path: "lsm/internal/gaps", ours: []string{"run"}},
	{path: "lsm/internal/manifest",
		ours: []string{"lsm/internal/version", "lsm/internal/directory", "sstable", "wal",
			"internal/parse", "run", "internal/durable", "vfs"}},
	{path: "lsm/internal/version",
		ours: []string{"lsm/internal/directory", "memtable", "sstable", "run", "internal/slab", "vfs"}},
	{path: "lsm/internal/directory", ours: []string{"sstable", "internal/confine", "internal/durable", "vfs"}},
	{path: "memtable/memtabletest",
		ours:    []string{"memtable", "internal/density", "run", "internal/slab"},
		modules: append(testModules, core...)},
	{path: "memtable", ours: []string{"run", "internal/pace", "internal/slab"}, tests: []string{"memtable/memtabletest"}},
	{path: "sstable", ours: []string{"run", "internal/option", "internal/pace", "internal/slab", "vfs"}},
	{path: "wal", ours: []string{"vfs"}},
	{path: "run"},

	{path: "state/statetest",
		ours:    []string{"snapshot", "state", "state/backend", "state/codec", "internal/density", "internal/programs", "internal/slotindex"},
		tests:   []string{"heapstate"},
		modules: append(testModules, core...)},
	{path: "snapshot",
		ours:  []string{"state/backend", "state/codec", "internal/confine", "internal/durable", "internal/pace", "vfs"},
		tests: []string{"state/statetest", "heapstate", "state"},
		links: core},
	{path: "state",
		ours:  []string{"state/backend", "internal/statebind", "state/codec", "internal/cow"},
		tests: []string{"state/statetest", "heapstate", "snapshot"},
		links: core},
	{path: "internal/slotindex", ours: []string{"state/backend", "internal/pace"}},
	{path: "state/backend", ours: []string{"internal/option", "internal/statebind", "state/codec", "internal/cow"}},
	// state declares states through it; backends must not.
	{path: "internal/statebind", ours: []string{"state/codec", "internal/cow"}},
	{path: "state/codec"},

	{path: "internal/query"},
	{path: "internal/cow"},
	{path: "internal/density"},
	{path: "internal/programs", modules: testModules},
	{path: "internal/option",
		tests: []string{".", "job", "window", "heapstate", "lsmstate", "checkpoint", "snapshot", "state", "state/codec", "lsm", "sstable"}},
	{path: "internal/parse"},
	{path: "internal/slab"},
	{path: "internal/vfsworld", ours: []string{"internal/await"}},
	{path: "internal/durable", ours: []string{"vfs"}, tests: []string{"internal/confine"}},
	{path: "internal/confine", ours: []string{"vfs"}, tests: []string{"internal/durable"}},
	{path: "vfs/vfstest", ours: []string{"vfs"}, modules: append(testModules, core...)},
	{path: "vfs"},
	{path: "internal/await"},
	{path: "internal/pace"},
	{path: "internal/pages"},
	{path: "internal/arch"},
}

// find returns the index of the rule of a package, or -1 if the package has no rule.
func find(rules []packageRule, path string) int {
	best := -1
	for i, r := range rules {
		holds := r.path == path || r.path != "." && strings.HasPrefix(path, r.path+"/")
		if holds && (best < 0 || len(r.path) > len(rules[best].path)) {
			best = i
		}
	}
	return best
}

// below returns every package that code under rules[at] may import, directly or not.
func below(rules []packageRule, at int) []string {
	if slices.Equal(rules[at].ours, everything) {
		return paths(rules[at+1:])
	}
	reached := slices.Clone(rules[at].ours)
	for i := 0; i < len(reached); i++ {
		for _, path := range rules[find(rules, reached[i])].ours {
			if !slices.Contains(reached, path) {
				reached = append(reached, path)
			}
		}
	}
	return reached
}

func paths(rules []packageRule) (paths []string) {
	for _, r := range rules {
		paths = append(paths, r.path)
	}
	return paths
}

func TestArrowsOfTheTableOnlyGoDown(t *testing.T) {
	for i, r := range rules {
		require.Equal(t, i, find(rules, r.path), "%s is in the table twice", r.path)
		for _, path := range r.ours {
			require.True(t, path == "*" || slices.Contains(paths(rules[i+1:]), path),
				"%s may import %s, which is not below it", r.path, path)
		}
		for _, path := range r.tests {
			require.Contains(t, paths(rules), path, "tests of %s", r.path)
		}
	}
}

// A new line in the table must not permit an import that these pairs forbid.
func TestTableOpensNoWayAroundTheRules(t *testing.T) {
	contract := []string{"state", "state/backend", "state/codec", "snapshot"}
	upper := []string{".", "job", "checkpoint", "window"}
	backends := []string{"heapstate", "lsmstate"}
	for _, rule := range []struct {
		from  string
		never []string
	}{
		{"memtable", slices.Concat(contract, backends, upper, []string{"sstable", "wal", "lsm"})},
		{"sstable", slices.Concat(contract, backends, upper, []string{"memtable", "wal", "lsm"})},
		{"wal", slices.Concat(contract, backends, upper, []string{"memtable", "sstable", "lsm"})},
		{"lsm", slices.Concat(contract, backends, upper)},
		{"heapstate", slices.Concat(upper, []string{"lsmstate", "lsm", "state"})},
		{"lsmstate", slices.Concat(upper, []string{"heapstate", "state"})},
		{"checkpoint", slices.Concat(backends, []string{"lsm", "window", "job", ".", "state"})},
		{"window", slices.Concat(backends, []string{"snapshot", "lsm", "checkpoint", "job", "."})},
		{"snapshot", slices.Concat(backends, upper, []string{"lsm", "state", "state/statetest"})},
		{"state", slices.Concat(backends, upper, []string{"lsm", "snapshot", "state/statetest", "vfs"})},
		{"state/backend", slices.Concat(backends, upper, []string{"lsm", "snapshot", "state", "state/statetest", "vfs"})},
		{"job", []string{".", "heapstate", "lsmstate"}},
		{"internal/bench/flightjob", append([]string{"internal/bench/harness", "."}, backends...)},
		{"internal/bench/largejob", append([]string{"internal/bench/harness", "."}, backends...)},
		{"internal/bench/harness", []string{"internal/bench/report", "internal/bench/command"}},
		{".", []string{"job"}},
	} {
		for _, path := range below(rules, find(rules, rule.from)) {
			require.NotContains(t, rule.never, path, "%s reaches %s", rule.from, path)
		}
	}
}

// The page names every package of the table.
func TestArchitecturePageNamesEveryPackage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	require.NoError(t, err)
	_, drawing, found := strings.Cut(string(page), "## Packages")
	require.True(t, found)
	for _, r := range rules {
		name := r.path
		switch {
		case name == ".":
			name = "weir"
		case strings.HasPrefix(name, "lsm/internal/"), strings.HasPrefix(name, "internal/bench/"):
			name = path.Base(name)
		}
		named := regexp.MustCompile("[\\s(*/`]" + regexp.QuoteMeta(name) + "[\\s)*`]")
		require.True(t, named.MatchString(drawing), "package %s is missing from docs/architecture.md", r.path)
	}
}
