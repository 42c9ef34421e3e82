package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A module outside can use a name only if it can write down the types in its signature.
func TestOutsidersCanNameEveryType(t *testing.T) {
	watch(t)
	var public []*types.Package
	for _, p := range exported(t, "./...") {
		if isPublic(p.Path()) && p.Name() != "main" {
			public = append(public, p)
		}
	}
	require.Greater(t, len(public), 15)
	require.Empty(t, unnameable(public))
}

func TestUnnameableTypesAreFound(t *testing.T) {
	const at = fixtures + "names"
	packages := exported(t, "./internal/arch/testdata/names")
	require.Equal(t, []string{
		at + ".Alias.Take names " + at + "/internal/hidden.Other",
		at + ".Direct names " + at + "/internal/hidden.Other",
		at + ".Embeds.Promoted names " + at + "/internal/hidden.Other",
		at + ".Field.Func names " + at + "/internal/hidden.Other",
		at + ".Generic names " + at + "/internal/hidden.Other",
		at + ".Interface.Method names " + at + "/internal/hidden.Other",
		at + ".List names " + at + "/internal/hidden.Other",
		at + ".Method.Get names " + at + "/internal/hidden.Other",
		at + ".Private names " + at + ".private",
		at + ".Var names " + at + "/internal/hidden.Other",
	}, unnameable(packages))
}

// fixtures is the path prefix of packages that tests treat as public.
const fixtures = module + "/internal/arch/testdata/"

// isPublic reports whether other modules may import a package.
func isPublic(importPath string) bool {
	return !slices.Contains(strings.Split(strings.TrimPrefix(importPath, fixtures), "/"), "internal")
}

// exported returns the type information of packages from the compiler's export data.
func exported(t *testing.T, patterns ...string) (packages []*types.Package) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export,DepOnly"}, patterns...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	files := map[string]string{}
	var named []string
	for list := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Export string
			DepOnly            bool
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		if files[p.ImportPath] = p.Export; !p.DepOnly && p.Export != "" {
			named = append(named, p.ImportPath)
		}
	}
	from := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	for _, path := range named {
		p, err := from.Import(path)
		require.NoError(t, err, path)
		packages = append(packages, p)
	}
	return packages
}

// unnameable returns one line, sorted, for each exported name whose signature has a type that
// other modules cannot name.
func unnameable(packages []*types.Package) []string {
	w := signatures{aliased: map[*types.TypeName]bool{}, seen: map[types.Type]bool{}}
	var names []types.Object
	for _, p := range packages {
		for _, name := range p.Scope().Names() {
			if o := p.Scope().Lookup(name); o.Exported() {
				names = append(names, o)
				if alias, ok := o.(*types.TypeName); ok && alias.IsAlias() {
					if to, ok := types.Unalias(alias.Type()).(*types.Named); ok {
						w.aliased[to.Obj()] = true
					}
				}
			}
		}
	}
	for _, o := range names {
		w.object(o)
	}
	slices.Sort(w.faults)
	return slices.Compact(w.faults)
}

// signatures collects the types in the signatures of exported names.
type signatures struct {
	aliased map[*types.TypeName]bool // types that have an exported alias in a public package
	seen    map[types.Type]bool      // types visited for the current name
	at      string                   // the current name
	faults  []string
}

// object visits a name of a package.
func (w *signatures) object(o types.Object) {
	at := o.Pkg().Path() + "." + o.Name()
	if _, ok := o.(*types.TypeName); !ok {
		w.walk(at, o.Type())
		return
	}
	named, ok := types.Unalias(o.Type()).(*types.Named)
	if !ok {
		w.walk(at, types.Unalias(o.Type()))
		return
	}
	if !named.Obj().Exported() || named.Obj().Pkg() != o.Pkg() && !isPublic(named.Obj().Pkg().Path()) || named.Obj() == o {
		w.members(at, named)
	}
}

// members visits the exported fields and methods of a type, including promoted methods.
func (w *signatures) members(at string, named *types.Named) {
	methods := types.NewMethodSet(types.NewPointer(named))
	if types.IsInterface(named) {
		methods = types.NewMethodSet(named)
	}
	for m := range methods.Methods() {
		if m.Obj().Exported() {
			w.walk(at+"."+m.Obj().Name(), m.Type())
		}
	}
	switch u := named.Underlying().(type) {
	case *types.Struct:
		for f := range u.Fields() {
			if f.Exported() {
				w.walk(at+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
	default:
		w.walk(at, u)
	}
}

// walk visits a type in the signature of a name.
func (w *signatures) walk(at string, t types.Type) {
	w.at = at
	clear(w.seen)
	w.mention(t)
}

// mention visits a type and its parts. It ignores constraints, which callers need not name.
func (w *signatures) mention(t types.Type) {
	if t == nil || w.seen[t] {
		return
	}
	w.seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		if o := t.Obj(); o.Pkg() == nil || o.Exported() && isPublic(o.Pkg().Path()) {
			w.arguments(t.TypeArgs())
			return
		}
		w.mention(types.Unalias(t))
	case *types.Named:
		o := t.Obj()
		if o.Pkg() != nil && !w.aliased[t.Origin().Obj()] && (!o.Exported() || !isPublic(o.Pkg().Path())) {
			w.faults = append(w.faults, fmt.Sprintf("%s names %s.%s", w.at, o.Pkg().Path(), o.Name()))
		}
		w.arguments(t.TypeArgs())
	case *types.Signature:
		w.mention(t.Params())
		w.mention(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			w.mention(v.Type())
		}
	case *types.Struct:
		for f := range t.Fields() {
			w.mention(f.Type())
		}
	case *types.Interface:
		for m := range t.Methods() {
			w.mention(m.Type())
		}
	case *types.Map:
		w.mention(t.Key())
		w.mention(t.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		w.mention(t.Elem())
	}
}

func (w *signatures) arguments(list *types.TypeList) {
	for t := range list.Types() {
		w.mention(t)
	}
}
