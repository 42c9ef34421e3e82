package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests named Words check the rules of CONTRIBUTING.md on language that a program can
// check: phrases to avoid in comments, error texts and pages, and a comment on every
// exported name (names.go has those rules).

// phrase is a pattern that plain text does not have, and a hint for its author.
type phrase struct {
	pattern *regexp.Regexp
	instead string
}

// sentence matches the start of a text or a sentence.
const sentence = `(?:^|[.:;!?] |^[-*#]+ )`

// phrases are matched against whole comments and paragraphs, with line breaks and runs of
// spaces replaced by one space, and without text in backquotes. Questions, and titles such as
// "What to watch", are plain.
var phrases = []phrase{
	{regexp.MustCompile(sentence + `What (?:[^t.?]|t[^o.?]|to[^ .?])[^.?]*(?:\.|$)`), "name the thing instead of opening with What"},
	{regexp.MustCompile(sentence + `Who [^.?]*(?:\.|$)`), "name the caller instead of opening with Who"},
	{regexp.MustCompile(sentence + `(?:One|Those|Ones) (?:that|which|who|is|are|has|have)\b`), "repeat the noun"},
	{regexp.MustCompile(`, of wh(?:ich|om)\b`), "begin a new sentence"},
	{regexp.MustCompile(`\b(?:[Ss]ays?|said|[Tt]ells?) (?:whether|if)\b`), "reports whether"},
	{regexp.MustCompile(`(?:^|[^e] |[^r]e )((?:is|are|was|were) none)\b`), "has no …, is not a …"},
	{regexp.MustCompile(`\b[Ww]ho(?:m)?ever\b`), "the caller"},
	{regexp.MustCompile(`\b(?:by|for|to|from|of|with|than) who\b`), "the caller"},
	{regexp.MustCompile(`\bso many (?:bytes|entries|keys|rows|elements|others|operations|steps|things)\b`), "name the number: n bytes"},
	{regexp.MustCompile(`\b(?:takes?|took|taken|taking) (?:it |them |that |this )?down\b`), "records"},
	{regexp.MustCompile(`\bc(?:ome|omes|ame|oming) to\b`), "reaches, results in, is"},
	{regexp.MustCompile(`\b(?:go|goes|went|gone|going) on\b`), "continues"},
	{regexp.MustCompile(`\b[Mm]eanwhile\b`), "while …, during …"},
	{regexp.MustCompile(`\b[Nn]owhere\b`), "not in …, missing from …"},
	{regexp.MustCompile(`\bby itself\b`), "alone, without …"},
	{regexp.MustCompile(`\bthat which\b`), "name the thing"},
	{regexp.MustCompile(`\bas (?:it is|they are|it was|they were)(?:[.,;:)]|$)`), "unchanged"},
	{regexp.MustCompile(`\b(?:is|are|was|were) to be\b`), "must be, will be"},
	{regexp.MustCompile(`\b[Ll]ook(?:s|ed|ing)? (?:at|into|around)\b`), "checks, reads, examines"},
	{regexp.MustCompile(`\b(?:besides(?:[.,;:)]|$)|Besides\b)`), "in addition"},
	{regexp.MustCompile(`\bthat of one\b`), "repeat the noun"},
	{regexp.MustCompile(`\bin vain\b`), "without effect"},
}

// prose is a comment or paragraph as one line of text.
type prose struct {
	text   strings.Builder
	starts []start
}

// start is the offset in a text at which a line of its file begins.
type start struct{ offset, line int }

// add appends a line of a file, without its indentation and comment marks.
func (p *prose) add(line int, text string) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return
	}
	if p.text.Len() > 0 {
		p.text.WriteByte(' ')
	}
	p.starts = append(p.starts, start{p.text.Len(), line})
	p.text.WriteString(text)
}

// code matches text in backquotes.
var code = regexp.MustCompile("`[^`]*`")

// faults returns a line for each banned phrase.
func (p *prose) faults(path string) (faults []string) {
	text := code.ReplaceAllStringFunc(p.text.String(), func(s string) string { return strings.Repeat("_", len(s)) })
	for _, ph := range phrases {
		for _, at := range ph.pattern.FindAllStringSubmatchIndex(text, -1) {
			at = at[len(at)-2:] // of the group, if the pattern has one
			found := strings.TrimLeft(text[at[0]:at[1]], ".:;!?-*# ")
			line := 0
			for _, s := range p.starts {
				if s.offset <= at[1]-len(found) {
					line = s.line
				}
			}
			if len(found) > 40 {
				found = found[:40] + "…"
			}
			faults = append(faults, fmt.Sprintf("%s:%d: %q: %s", path, line, found, ph.instead))
		}
	}
	return faults
}

// wordsOfGo returns the faults of a Go file: in its comments, in the texts of its errors, and
// in the documentation of its exported names.
func wordsOfGo(path string, source []byte) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil || ast.IsGenerated(file) {
		return nil, err
	}
	var faults []string
	for _, group := range file.Comments {
		var p prose
		for _, c := range group.List {
			first := files.Position(c.Pos()).Line
			text := strings.TrimSuffix(strings.TrimPrefix(c.Text, "/*"), "*/")
			for i, line := range strings.Split(text, "\n") {
				p.add(first+i, strings.TrimPrefix(line, "//"))
			}
		}
		faults = append(faults, p.faults(path)...)
	}
	for text, at := range errorTexts(file) {
		var p prose
		p.add(files.Position(at).Line, text)
		faults = append(faults, p.faults(path)...)
	}
	if !strings.HasSuffix(path, "_test.go") && file.Name.Name != "main" {
		faults = append(faults, undocumented(path, files, file)...)
	}
	return faults, nil
}

// errorTexts yields the string literals that are arguments of errors.New and fmt.Errorf.
func errorTexts(file *ast.File) func(yield func(string, token.Pos) bool) {
	return func(yield func(string, token.Pos) bool) {
		more := true
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return more
			}
			selector, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || selector.Sel.Name != "New" && selector.Sel.Name != "Errorf" {
				return more
			}
			literal, ok := call.Args[0].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return more
			}
			if text, err := strconv.Unquote(literal.Value); err == nil && more {
				more = yield(text, literal.Pos())
			}
			return more
		})
	}
}

// wordsOfPage returns the faults of a page in Markdown, outside its blocks of code.
func wordsOfPage(path string, source []byte) (faults []string) {
	var p prose
	fenced := false
	end := func() {
		faults = append(faults, p.faults(path)...)
		p = prose{}
	}
	for i, line := range strings.Split(string(source), "\n") {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "```") {
			fenced = !fenced
			end()
			continue
		}
		if fenced || strings.HasPrefix(line, "    ") && len(p.starts) == 0 {
			continue
		}
		if text == "" || strings.HasPrefix(text, "|") || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "- ") {
			end()
		}
		p.add(i+1, text)
	}
	end()
	return faults
}

// allWords returns the faults of the module and its nested modules.
func allWords(t *testing.T) (faults []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && path != root && d.Name() != ".github"
			if hidden || d.Name() == "testdata" && path != filepath.Join(root, "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil || !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".md") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var found []string
		// This file has the phrases as examples.
		if name = filepath.ToSlash(name); strings.HasSuffix(name, ".md") {
			found = wordsOfPage(name, source)
		} else if name != "internal/arch/words_test.go" {
			found, err = wordsOfGo(name, source)
		}
		faults = append(faults, found...)
		return err
	}))
	return faults
}

func TestWordsArePlain(t *testing.T) {
	for _, fault := range allWords(t) {
		t.Error(fault)
	}
}

func TestWordsThatAreNotPlainAreFound(t *testing.T) {
	for text, instead := range map[string]string{
		"What is damaged stays so.":                     "name the thing instead of opening with What",
		"It ends. What the picker wants comes again;":   "name the thing instead of opening with What",
		"Who writes may do something else.":             "name the caller instead of opening with Who",
		"One that lies after its end is dropped.":       "repeat the noun",
		"seals, of which the newest is the last":        "begin a new sentence",
		"fits says whether a key fits":                  "reports whether",
		"bounds that are none":                          "has no …, is not a …",
		"whoever waits":                                 "the caller",
		"a slab for who has one":                        "the caller",
		"New returns gaps that may take so many bytes.": "name the number: n bytes",
		"Add takes down a gap":                          "records",
		"what a compaction comes to":                    "reaches, results in, is",
		"the task goes on":                              "continues",
		"meanwhile the task writes":                     "while …, during …",
		"table 1 is nowhere":                            "not in …, missing from …",
		"it ends by itself":                             "alone, without …",
		"rows stay as they are.":                        "unchanged",
		"the block that is to be compressed":            "must be, will be",
		"a hit looks at one word":                       "checks, reads, examines",
		"what tests may import besides.":                "in addition",
		"everything is in vain":                         "without effect",
	} {
		var p prose
		for i, line := range strings.SplitAfter(text, " ") { // a phrase may be on two lines
			p.add(i+1, line)
		}
		faults := p.faults("a.go")
		require.Len(t, faults, 1, text)
		require.True(t, strings.HasSuffix(faults[0], ": "+instead), "%s: %s", text, faults[0])
	}
	for _, text := range []string{
		"What is a run? A sorted list of entries.",
		"# What to watch",
		"Add records a gap and returns what the caller passed.",
		"`so many bytes` is a phrase to avoid",
		"the value as it is written to the log",
		"Get returns nil if there is none.",
		"the file stands beside the manifest",
	} {
		var p prose
		p.add(1, text)
		require.Empty(t, p.faults("a.go"), text)
	}
}

func TestWordsOfFilesAreFoundWithTheirLines(t *testing.T) {
	faults, err := wordsOfGo("a/b.go", []byte(`// Package b is a fixture.
package b

// T is a type. A caller may use
// it meanwhile.
type T struct {
	A, B int // numbers
	C    int
}

// Full says
// whether it is full.
func (T) Full() bool { return true }

// fits has no rules.
func (T) fits() bool { return true }

func New() error { return errors.New("b: table is nowhere") }

// makes one.
func Make() {}

// Constants of b.
const (
	X = 1
	Y = 2
)

type (
	// Door is an interface.
	Door interface {
		Open()
		close()
	}
)
`))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		`a/b.go:5: "meanwhile": while …, during …`,
		`a/b.go:8: field T.C has no comment`,
		`a/b.go:11: "says whether": reports whether`,
		`a/b.go:13: the comment of T.Full does not say "reports whether"`,
		`a/b.go:18: "nowhere": not in …, missing from …`,
		`a/b.go:18: New has no comment`,
		`a/b.go:21: the comment of Make does not begin with "Make "`,
		`a/b.go:32: method Door.Open has no comment`,
	}, faults)

	require.Equal(t, []string{`p.md:2: "goes on": continues`, `p.md:7: "nowhere": not in …, missing from …`},
		wordsOfPage("p.md", []byte("# Page\nThe task goes\non.\n```\nit goes on\n```\n- it is nowhere\n\n    it goes on\n")))
}
