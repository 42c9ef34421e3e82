package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// published are the packages whose names pages mention, with their folders.
var published = map[string]string{
	"weir": ".", "job": "job", "window": "window", "checkpoint": "checkpoint", "snapshot": "snapshot",
	"state": "state", "backend": "state/backend", "codec": "state/codec", "statetest": "state/statetest", "storagetest": "checkpoint/storagetest",
	"heapstate": "heapstate", "lsmstate": "lsmstate", "lsm": "lsm", "memtable": "memtable",
	"memtabletest": "memtable/memtabletest", "sstable": "sstable", "wal": "wal", "run": "run",
	"vfs": "vfs", "vfstest": "vfs/vfstest", "suite": "bench/suite",
}

// mention matches a name of a package, with a method or a field if there is one, in a code span.
var mention = regexp.MustCompile("`([a-z]+)\\.([A-Z]\\w*)(?:\\.([A-Z]\\w*))?[`({]")

// memberMention matches a type with a method or a field, without its package.
var memberMention = regexp.MustCompile("`([A-Z]\\w*)\\.([A-Z]\\w*)[`({]")

// testMention matches the name of a test in a code span.
var testMention = regexp.MustCompile("`(Test[A-Z]\\w*)`")

func TestTestsInPagesExist(t *testing.T) {
	tests := make(map[string]bool)
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declaration.FindAllStringSubmatch(string(source), -1) {
			tests[m[1]] = true
		}
		return err
	}))
	mentions := 0
	for _, page := range markdown(t) {
		if strings.HasSuffix(page, "CONTRIBUTING.md") {
			continue // its names are examples of style
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range testMention.FindAllStringSubmatch(string(text), -1) {
			mentions++
			if !tests[m[1]] {
				t.Errorf("%s: the test %s does not exist", page, m[1])
			}
		}
	}
	require.Greater(t, mentions, 20)
}

// A rename must not leave the old name in a page. CHANGELOG.md and the pages on decisions have
// old names on purpose.
func TestNamesInPagesExist(t *testing.T) {
	names := make(map[string]map[string][]string)
	for name, folder := range published {
		names[name] = exportedNames(t, filepath.Join(root, folder))
	}
	mentions := 0
	for _, page := range markdown(t) {
		if strings.HasSuffix(page, "CHANGELOG.md") || strings.Contains(filepath.ToSlash(page), "/decisions/") {
			continue
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range mention.FindAllStringSubmatch(string(text), -1) {
			inPackage, ok := names[m[1]]
			if !ok {
				continue // a package of Go's, or a variable
			}
			mentions++
			members, ok := inPackage[m[2]]
			if !ok || m[3] != "" && !hasMember(members, m[3]) {
				t.Errorf("%s: %s does not exist", page, strings.Trim(m[0], "`({"))
			}
		}
		for _, m := range memberMention.FindAllStringSubmatch(string(text), -1) {
			mentions++
			if !slices.ContainsFunc(slices.Collect(maps.Values(names)), func(inPackage map[string][]string) bool {
				return hasMember(inPackage[m[1]], m[2])
			}) {
				t.Errorf("%s: no type %s has %s", page, m[1], m[2])
			}
		}
	}
	require.Greater(t, mentions, 100)
}

// anyMember stands for the members of a type that is not read: the target of an alias, or an
// embedded type.
const anyMember = "*"

func hasMember(members []string, name string) bool {
	return slices.Contains(members, name) || slices.Contains(members, anyMember)
}

// exportedNames returns the exported names of the package in a folder, each with its methods and
// fields.
func exportedNames(t *testing.T, folder string) map[string][]string {
	t.Helper()
	names := make(map[string][]string)
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			addNames(names, d)
		}
	}
	require.NotEmpty(t, names, folder)
	return names
}

// addNames adds the names of a declaration.
func addNames(names map[string][]string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names[d.Name.Name] = append(names[d.Name.Name], "")
			return
		}
		receiver := typeName(d.Recv.List[0].Type)
		names[receiver] = append(names[receiver], d.Name.Name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names[name.Name] = append(names[name.Name], "")
				}
			case *ast.TypeSpec:
				names[s.Name.Name] = append(names[s.Name.Name], memberNames(s.Type)...)
				if s.Assign.IsValid() {
					names[s.Name.Name] = append(names[s.Name.Name], anyMember)
				}
			}
		}
	}
}

// typeName returns the name of the type of a receiver or of an embedded field.
func typeName(e ast.Expr) string {
	for {
		switch t := e.(type) {
		case *ast.StarExpr:
			e = t.X
		case *ast.IndexExpr:
			e = t.X
		case *ast.IndexListExpr:
			e = t.X
		case *ast.SelectorExpr:
			return t.Sel.Name
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// memberNames returns the fields of a struct or the methods of an interface.
func memberNames(e ast.Expr) (members []string) {
	members = []string{""}
	var list *ast.FieldList
	switch t := e.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return members
	}
	for _, f := range list.List {
		for _, name := range f.Names {
			members = append(members, name.Name)
		}
		if len(f.Names) == 0 {
			members = append(members, typeName(f.Type), anyMember)
		}
	}
	return members
}
