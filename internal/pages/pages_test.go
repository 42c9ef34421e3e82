package pages

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the directory of the module.
const root = "../.."

func TestBlocksOfAPage(t *testing.T) {
	blocks, err := parse("# Page\n\n```go main.go\npackage main\n\nfunc main() {}\n```\n" +
		"text\n\n```\n```\n\n    ```\n\n```console\nignored\n$ go run .\n1\n2\n$ true\n```\n")
	require.NoError(t, err)
	require.Equal(t, []Block{
		{Kind: "go", Name: "main.go", Text: "package main\n\nfunc main() {}\n", Line: 3},
		{Line: 10},
		{Kind: "console", Text: "ignored\n$ go run .\n1\n2\n$ true\n", Line: 15},
	}, blocks)
	require.Equal(t, []Command{{"go run .", "1\n2\n"}, {"true", ""}}, blocks[2].Commands())

	_, err = parse("\n```go\ntext\n")
	require.ErrorContains(t, err, "the block of line 2 has no end")
}

// markdown returns the paths of all pages of the repository, those of testdata left out.
func markdown(t *testing.T) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return nil
	}))
	require.Greater(t, len(paths), 10)
	return paths
}

// link matches the target of a Markdown link.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	for _, page := range markdown(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, ":") {
				continue // a URL
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), filepath.FromSlash(target))
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: the link %s names no file", page, match[1])
			} else if anchor != "" && filepath.Ext(path) == ".md" && !hasHeading(t, path, anchor) {
				t.Errorf("%s: %s has no heading %q", page, path, anchor)
			}
		}
	}
}

// notInAnchor matches the characters that GitHub drops from the anchor of a heading.
var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// hasHeading reports whether a page has a heading with an anchor.
func hasHeading(t *testing.T, path, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		heading := strings.TrimSpace(strings.TrimLeft(line, "#"))
		heading = notInAnchor.ReplaceAllString(strings.ToLower(heading), "")
		if strings.ReplaceAll(heading, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// A reader sees in the first line of a page whether the page is for him.
func TestEachPageSaysWhomItIsFor(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	examples, err := filepath.Glob(filepath.Join(root, "examples", "*", "README.md"))
	require.NoError(t, err)
	for _, page := range append(pages, examples...) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		lines := strings.SplitN(string(text), "\n", 4)
		require.Len(t, lines, 4, page)
		require.Regexp(t, `^\*?For [a-z]`, lines[2], page)
	}
}
