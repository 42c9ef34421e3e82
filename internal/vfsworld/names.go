package vfsworld

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// RandomName returns a random name of a directory: absolute, relative, or through links. It makes the
// parent of dir; dir itself may be missing. It may change the working directory. If resolves is
// false, the name has no target: opening it must fail and change nothing.
//
// Code reaches another directory if it cleans the name, makes it absolute before it follows links, or
// resolves it again after RedirectNames.
func (w *World) RandomName(dir string) (name string, resolves bool) {
	parent, base := filepath.Split(filepath.FromSlash(dir))
	w.Dir(parent)
	forms := []func(parent, base string) (string, bool){
		w.absolute, w.relative, w.throughLink, w.throughParentOfLink, w.asLink, w.throughParentOfMissing, w.throughBadLink, w.empty,
	}
	return forms[w.Rand.IntN(len(forms))](filepath.Clean(parent), base)
}

// RedirectNames changes the working directory, and the links in the names that RandomName has
// returned, so that these names lead below Decoy.
func (w *World) RedirectNames() {
	for _, m := range w.redirects {
		if m.link == "" {
			w.must(os.Chdir(m.to))
			continue
		}
		w.must(os.Remove(m.link))
		w.must(os.Symlink(m.to, m.link))
	}
	w.redirects = nil
}

// link makes a link to a target. RedirectNames will change the target to then.
func (w *World) link(base, to, then string) string {
	link := w.newName(base)
	w.must(os.Symlink(to, link))
	w.redirects = append(w.redirects, redirect{link, then})
	return link
}

// newName returns an unused path in the directory of links.
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
	w.redirects = append(w.redirects, redirect{"", w.Path(Decoy + "/place/a")})
	return filepath.Join("../..", parent, base), true
}

func (w *World) throughLink(parent, base string) (string, bool) {
	return w.link("parent", filepath.Join("..", parent), filepath.Join("..", Decoy, parent)) + "/" + base, true
}

// throughParentOfLink returns current/../base, where current is a link to parent/release. The kernel
// resolves the name to parent/base; a cleaned name leads to names/base.
func (w *World) throughParentOfLink(parent, base string) (string, bool) {
	w.Dir(filepath.Join(parent, "release"))
	w.Dir(filepath.Join(Decoy, parent, "release"))
	w.Dir(filepath.Join("names", base))
	return w.link("current", w.Path(filepath.Join(parent, "release")), w.Path(filepath.Join(Decoy, parent, "release"))) + "/../" + base, true
}

func (w *World) asLink(parent, base string) (string, bool) {
	at := filepath.Join(parent, base)
	if info, err := os.Lstat(w.Path(at)); err != nil || !info.IsDir() {
		return w.absolute(parent, base)
	}
	return w.link("at", w.Path(at), w.Path(filepath.Join(Decoy, at))), true
}

func (w *World) throughParentOfMissing(parent, base string) (string, bool) {
	return w.Path(parent) + "/missing/../" + base, false
}

func (w *World) throughBadLink(parent, base string) (string, bool) {
	to := []string{"missing", "bad"}[w.Rand.IntN(2)]
	link := w.newName("bad")
	if to == "bad" {
		to = filepath.Base(link)
	}
	w.must(os.Symlink(to, link))
	return link + strings.Repeat("/"+base, w.Rand.IntN(2)), false
}

func (w *World) empty(string, string) (string, bool) { return "", false }
