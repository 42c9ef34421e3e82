package vfsworld

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Spell returns a name for a directory, which need not exist, below one that does; it
// may change the working directory. If leads is false the name has no target: an
// opener must fail, and change nothing.
//
// A program that cleans names, makes them absolute before links are followed, or
// resolves them again after Disturb, reaches another directory.
func (w *World) Spell(dir string) (name string, leads bool) {
	parent, base := filepath.Split(filepath.FromSlash(dir))
	w.Dir(parent)
	spellings := []func(parent, base string) (string, bool){
		w.absolute, w.relative, w.throughLink, w.besideLink, w.atLink, w.besideNothing, w.throughBadLink, w.empty,
	}
	return spellings[w.Rand.IntN(len(spellings))](filepath.Clean(parent), base)
}

// Disturb changes the working directory and the links in the names that Spell has
// returned: each would lead below Decoy now.
func (w *World) Disturb() {
	for _, m := range w.moves {
		if m.link == "" {
			w.must(os.Chdir(m.to))
			continue
		}
		w.must(os.Remove(m.link))
		w.must(os.Symlink(m.to, m.link))
	}
	w.moves = nil
}

// link makes a link among the names, and notes where Disturb turns it.
func (w *World) link(base, to, then string) string {
	link := w.newName(base)
	w.must(os.Symlink(to, link))
	w.moves = append(w.moves, move{link, then})
	return link
}

// newName returns the path of a name that there is not yet.
func (w *World) newName(base string) string {
	w.names++
	return w.Path(fmt.Sprintf("names/%s-%d", base, w.names))
}

func (w *World) absolute(parent, base string) (string, bool) {
	name := w.Path(parent) + []string{"/", "//", "/./"}[w.Rand.IntN(3)] + base
	return name + []string{"", "/", "//"}[w.Rand.IntN(3)], true
}

func (w *World) relative(parent, base string) (string, bool) {
	w.must(os.Chdir(w.Path("work/a")))
	w.moves = append(w.moves, move{"", w.Path(Decoy + "/place/a")})
	return filepath.Join("../..", parent, base), true
}

func (w *World) throughLink(parent, base string) (string, bool) {
	return w.link("parent", filepath.Join("..", parent), filepath.Join("..", Decoy, parent)) + "/" + base, true
}

// besideLink is current/../base, which is not in the directory of current.
func (w *World) besideLink(parent, base string) (string, bool) {
	w.Dir(filepath.Join(parent, "release"))
	w.Dir(filepath.Join(Decoy, parent, "release"))
	w.Dir(filepath.Join("names", base)) // where a cleaned name leads
	return w.link("current", w.Path(filepath.Join(parent, "release")), w.Path(filepath.Join(Decoy, parent, "release"))) + "/../" + base, true
}

func (w *World) atLink(parent, base string) (string, bool) {
	at := filepath.Join(parent, base)
	if info, err := os.Lstat(w.Path(at)); err != nil || !info.IsDir() {
		return w.absolute(parent, base)
	}
	return w.link("at", w.Path(at), w.Path(filepath.Join(Decoy, at))), true
}

func (w *World) besideNothing(parent, base string) (string, bool) {
	return w.Path(parent) + "/none/../" + base, false
}

func (w *World) throughBadLink(parent, base string) (string, bool) {
	to := []string{"none", "bad"}[w.Rand.IntN(2)]
	link := w.newName("bad")
	if to == "bad" {
		to = filepath.Base(link)
	}
	w.must(os.Symlink(to, link))
	return link + strings.Repeat("/"+base, w.Rand.IntN(2)), false
}

func (w *World) empty(string, string) (string, bool) { return "", false }
