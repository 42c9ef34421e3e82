package arch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// platforms are the platforms whose imports the test checks: files for one platform have imports too.
var platforms = []struct{ goos, goarch string }{
	{"linux", "amd64"}, {"linux", "386"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

func TestImportsFollowTheTable(t *testing.T) {
	watch(t)
	for _, p := range platforms {
		g := list(t, p.goos, p.goarch)
		require.Contains(t, g, module+"/state")
		require.Empty(t, check(rules, g), "%s/%s", p.goos, p.goarch)
	}
}

// check returns one line for each import of a graph that the rules do not allow, and for
// each package without a rule.
func check(rules []packageRule, g graph) (faults []string) {
	for _, importPath := range slices.Sorted(maps.Keys(g)) {
		path, ours := relative(importPath)
		if !ours {
			continue
		}
		at := find(rules, path)
		if at < 0 {
			faults = append(faults, path+" is a new package: add it to docs/architecture.md and to the table in package_rules_test.go")
			continue
		}
		for _, to := range g[importPath].code {
			if !allows(rules, at, to) {
				faults = append(faults, fmt.Sprintf("%s imports %s", path, to))
			}
		}
		for _, to := range g[importPath].tests {
			if !allows(rules, at, to) && !allowsTest(rules, at, to) {
				faults = append(faults, fmt.Sprintf("%s imports %s in a test", path, to))
			}
		}
		for _, to := range compiledIn(g, importPath) {
			if links := rules[at].links; links != nil && !isOneOf(to, links) {
				faults = append(faults, fmt.Sprintf("%s compiles in %s", path, to))
			}
		}
	}
	return faults
}

// allows reports whether code of rules[at] may import a package.
func allows(rules []packageRule, at int, importPath string) bool {
	r := rules[at]
	if path, ours := relative(importPath); ours {
		to := find(rules, path)
		return to == at || to >= 0 && slices.Contains(r.ours, rules[to].path) ||
			to > at && slices.Equal(r.ours, everything)
	}
	modules := r.modules
	if modules == nil {
		modules = core
	}
	return isStandard(importPath) || slices.Equal(modules, everything) || isOneOf(importPath, modules)
}

// allowsTest reports whether test files of rules[at] may import a package that its other code
// may not.
func allowsTest(rules []packageRule, at int, importPath string) bool {
	if path, ours := relative(importPath); ours {
		to := find(rules, path)
		return to >= 0 && slices.Contains(slices.Concat(rules[at].tests, testPackages), rules[to].path)
	}
	return isOneOf(importPath, testModules)
}

// isOneOf reports whether a package belongs to one of the modules.
func isOneOf(importPath string, modules []string) bool {
	return slices.ContainsFunc(modules, func(m string) bool {
		return importPath == m || strings.HasPrefix(importPath, m+"/")
	})
}

// compiledIn returns the third-party packages that a package imports, directly or not.
func compiledIn(g graph, importPath string) (theirs []string) {
	reached := []string{importPath}
	for i := 0; i < len(reached); i++ {
		if _, ours := relative(reached[i]); !ours && !isStandard(reached[i]) {
			theirs = append(theirs, reached[i])
		}
		for _, to := range g[reached[i]].code {
			if !slices.Contains(reached, to) {
				reached = append(reached, to)
			}
		}
	}
	return theirs
}

func TestCheckFindsEveryWrongArrow(t *testing.T) {
	const we = module + "/"
	code := func(to ...string) imports { return imports{code: to} }
	tests := func(to ...string) imports { return imports{tests: to} }
	for name, c := range map[string]struct {
		graph graph
		want  []string // nil: nothing is wrong
	}{
		"arrow down":                      {graph{we + "snapshot": code("io", we+"state/backend", we+"state/codec", compress+"/zstd")}, nil},
		"arrow up":                        {graph{we + "snapshot": code(we + "heapstate")}, []string{"snapshot imports " + we + "heapstate"}},
		"contract over internal":          {graph{we + "state": code(we + "snapshot")}, []string{"state imports " + we + "snapshot"}},
		"interface imports user":          {graph{we + "state/backend": code(we + "state")}, []string{"state/backend imports " + we + "state"}},
		"backend imports state":           {graph{we + "heapstate": code(we + "state")}, []string{"heapstate imports " + we + "state"}},
		"codec imports state":             {graph{we + "state/codec": code(we + "state")}, []string{"state/codec imports " + we + "state"}},
		"kit has its own rule":            {graph{we + "state": code(we + "state/statetest")}, []string{"state imports " + we + "state/statetest"}},
		"part of the tree imports part":   {graph{we + "memtable": code(we + "wal")}, []string{"memtable imports " + we + "wal"}},
		"tree imports state":              {graph{we + "lsm": code(we + "state")}, []string{"lsm imports " + we + "state"}},
		"backend and backend":             {graph{we + "lsmstate": code(we + "heapstate")}, []string{"lsmstate imports " + we + "heapstate"}},
		"checkpoint and backend":          {graph{we + "checkpoint": code(we + "lsmstate")}, []string{"checkpoint imports " + we + "lsmstate"}},
		"job imports root":                {graph{we + "job": code(module)}, []string{"job imports " + module}},
		"root imports job":                {graph{module: code(we + "job")}, []string{". imports " + we + "job"}},
		"tool imports tool":               {graph{we + "cmd/weir": code(we + "bench")}, []string{"cmd/weir imports " + we + "bench"}},
		"tools import all below":          {graph{we + "bench": code(module, we+"job", "example.org/bar"), we + "cmd/weir": code(we + "wal")}, nil},
		"package below a rule":            {graph{we + "checkpoint/s3": code(we+"checkpoint", we+"snapshot")}, nil},
		"part has the rule of its parent": {graph{we + "checkpoint/s3": code(we + "lsm")}, []string{"checkpoint/s3 imports " + we + "lsm"}},
		"others' module":                  {graph{we + "wal": code("example.org/zip")}, []string{"wal imports example.org/zip"}},
		"module whose name begins alike":  {graph{we + "wal": code(btree + "2")}, []string{"wal imports " + btree + "2"}},
		"testify in a test":               {graph{we + "state": tests(testify + "/require")}, nil},
		"testify in code":                 {graph{we + "wal": code(testify + "/require")}, []string{"wal imports " + testify + "/require"}},
		"testify in the kit":              {graph{we + "state/statetest": code(testify+"/require", btree)}, nil},
		"allowed import upwards in test":  {graph{we + "window": tests(we + "heapstate")}, nil},
		"other import upwards in test":    {graph{we + "window": tests(we + "lsm")}, []string{"window imports " + we + "lsm in a test"}},
		"import of tests in code":         {graph{we + "window": code(we + "heapstate")}, []string{"window imports " + we + "heapstate"}},
		"tree links a third module": {
			graph{we + "lsm": code(we + "memtable"), we + "memtable": code(btree)},
			[]string{"lsm compiles in " + btree},
		},
		"module links another": {
			graph{we + "lsm": code(compress + "/s2"), compress + "/s2": code("example.org/asm")},
			[]string{"lsm compiles in example.org/asm"},
		},
		"root links a client": {
			graph{module: code(we + "checkpoint/s3store"), we + "checkpoint/s3store": code("example.org/aws/s3")},
			[]string{". compiles in example.org/aws/s3", "checkpoint/s3store imports example.org/aws/s3", "checkpoint/s3store compiles in example.org/aws/s3"},
		},
		"other modules have no rules": {graph{btree: code("example.org/asm")}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, check(rules, c.graph)) })
	}
}

// A program that imports a public package compiles no client of a store, such as the AWS SDK: those are
// in modules of their own.
func TestPublicPackagesLinkOnlyCoreModules(t *testing.T) {
	for _, path := range []string{".", "job", "heapstate", "lsmstate", "checkpoint", "window", "lsm", "snapshot", "state"} {
		links := rules[find(rules, path)].links
		require.NotEmpty(t, links, path)
		require.Subset(t, core, links, path)
	}
}

// constructors are packages that make types, code or processes from names in data. Importing one
// of them in a library would let a checkpoint choose what is constructed.
var constructors = []string{"encoding/gob", "net/rpc", "os/exec", "plugin", "text/template", "html/template"}

func TestNoPackageConstructsCodeFromData(t *testing.T) {
	watch(t)
	checked := 0
	for importPath, imports := range list(t, "linux", "amd64") {
		path, ours := relative(importPath)
		if !ours || strings.HasPrefix(path, "internal/bench") || path == "bench" { // programs, not part of the library
			continue
		}
		checked++
		for _, to := range constructors {
			require.NotContains(t, imports.code, to, path)
		}
	}
	require.Greater(t, checked, 30)
}

func TestPackageWithoutRuleIsFound(t *testing.T) {
	for _, path := range []string{"raft", "internal/arena", "statecraft", "cmd/other"} {
		faults := check(rules, graph{module + "/" + path: {}})
		require.Len(t, faults, 1, path)
		require.Contains(t, faults[0], path+" is a new package: add it to docs/architecture.md")
	}
	faults := check(rules, graph{module + "/bench": {code: []string{module + "/raft"}}})
	require.Equal(t, []string{"bench imports " + module + "/raft"}, faults)
}
