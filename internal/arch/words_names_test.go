package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// undocumented returns the exported names of a file whose comment is missing or does not
// have the form that go doc expects. Public packages must have a comment on every name,
// method and field; packages below internal/ on every name and method.
func undocumented(path string, files *token.FileSet, file *ast.File) []string {
	d := documentation{files: files, path: path, internal: strings.Contains("/"+path, "/internal/")}
	for _, declaration := range file.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			d.function(declaration)
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				d.spec(declaration, spec)
			}
		}
	}
	return d.faults
}

// documentation collects the faults of the comments of one file.
type documentation struct {
	files    *token.FileSet
	path     string
	internal bool
	faults   []string
}

func (d *documentation) fault(at token.Pos, format string, arguments ...any) {
	line := d.files.Position(at).Line
	d.faults = append(d.faults, fmt.Sprintf("%s:%d: %s", d.path, line, fmt.Sprintf(format, arguments...)))
}

// function checks the comment of a function, or of a method of an exported type.
func (d *documentation) function(f *ast.FuncDecl) {
	name := f.Name.Name
	if f.Recv != nil {
		receiver := typeName(f.Recv.List[0].Type)
		if !ast.IsExported(receiver) {
			return
		}
		name = receiver + "." + name
	}
	if !f.Name.IsExported() {
		return
	}
	d.begins(f.Name.Pos(), name, f.Name.Name, f.Doc)
	d.reports(f.Name.Pos(), name, f.Type, f.Doc)
}

// spec checks the comment of a type, or of the constants or variables on one line. Names in
// parentheses may share the comment above them.
func (d *documentation) spec(of *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return
		}
		doc := spec.Doc
		if doc == nil && !of.Lparen.IsValid() {
			doc = of.Doc
		}
		d.begins(spec.Name.Pos(), spec.Name.Name, spec.Name.Name, doc)
		d.members(spec)
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			switch {
			case !name.IsExported():
			case of.Lparen.IsValid():
				if spec.Doc == nil && spec.Comment == nil && of.Doc == nil {
					d.fault(name.Pos(), "%s has no comment", name.Name)
				}
			case len(spec.Names) == 1:
				d.begins(name.Pos(), name.Name, name.Name, of.Doc)
			case of.Doc == nil:
				d.fault(name.Pos(), "%s has no comment", name.Name)
			}
		}
	}
}

// members checks the exported fields of a struct and the methods of an interface.
func (d *documentation) members(spec *ast.TypeSpec) {
	var list *ast.FieldList
	kind := "field"
	switch t := spec.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list, kind = t.Methods, "method"
	}
	if list == nil || d.internal && kind == "field" {
		return
	}
	for _, member := range list.List {
		for _, name := range member.Names {
			full := spec.Name.Name + "." + name.Name
			if name.IsExported() && member.Doc == nil && member.Comment == nil {
				d.fault(name.Pos(), "%s %s has no comment", kind, full)
			}
			if signature, ok := member.Type.(*ast.FuncType); ok && kind == "method" && name.IsExported() {
				d.reports(name.Pos(), full, signature, member.Doc)
			}
		}
	}
}

// begins checks that a comment begins with the name, after an article if it has one.
func (d *documentation) begins(at token.Pos, full, name string, doc *ast.CommentGroup) {
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	switch rest, ok := strings.CutPrefix(text, name); {
	case text == "":
		d.fault(at, "%s has no comment", full)
	case !ok || rest == "" || !strings.ContainsAny(rest[:1], " \n,(:'"):
		d.fault(at, "the comment of %s does not begin with %q", full, name+" ")
	}
}

// reports checks that the comment of a function that returns a bool says "reports whether", or
// names the interface whose method it implements.
func (d *documentation) reports(at token.Pos, full string, f *ast.FuncType, doc *ast.CommentGroup) {
	if doc == nil || f.Results == nil || len(f.Results.List) == 0 || len(f.Results.List[0].Names) > 1 {
		return
	}
	result, ok := f.Results.List[0].Type.(*ast.Ident)
	text := strings.Join(strings.Fields(doc.Text()), " ")
	if !ok || result.Name != "bool" {
		return
	}
	for _, plain := range []string{"reports whether", "reports, ", " implements "} {
		if strings.Contains(text, plain) {
			return
		}
	}
	d.fault(at, "the comment of %s does not say \"reports whether\"", full)
}

// typeName returns the name of a receiver's type.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
