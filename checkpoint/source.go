package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// source reads the files of one checkpoint by name, from the metadata, the checkpoint's folder,
// the shared folder or a pack. Its errors name the checkpoint (SourceError).
type source struct {
	objects Objects
	layout  layout
	id      ID // 0 if there is no checkpoint, and so no files
	inline  map[string][]byte
	packed  map[string]Place
	packs   map[string]int64 // sizes by name
	files   map[string]snapshot.FileRef
}

// newSource returns a source of the files of a checkpoint, which may be nil.
func newSource(objects Objects, l layout, c *Checkpoint) snapshot.Source {
	s := source{objects: objects, layout: l, inline: make(map[string][]byte), packed: make(map[string]Place), packs: make(map[string]int64),
		files: make(map[string]snapshot.FileRef)}
	if c == nil {
		return s
	}
	s.id = c.ID
	for _, pack := range c.Packs {
		s.packs[pack.Name] = pack.Bytes
	}
	for part := range c.parts() {
		maps.Copy(s.inline, part.Inline)
		maps.Copy(s.packed, part.Packed)
		if part.Handle == nil {
			continue
		}
		for _, f := range part.Handle.Files {
			s.files[f.Name] = f
		}
	}
	return s
}

// Open implements snapshot.Source.
func (s source) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := snapshot.CheckName(name); err != nil {
		return nil, err
	}
	if content, ok := s.inline[name]; ok {
		return inlineObject{bytes.NewReader(content)}, nil
	}
	object, err := s.objectOf(name)
	if err != nil {
		return nil, err
	}
	opened, err := s.objects.Open(ctx, object)
	if err != nil {
		return nil, s.named(err)
	}
	if place, packed := s.packed[name]; packed {
		opened = &packedObject{
			file: io.NewSectionReader(opened, place.Offset, s.files[name].Size),
			pack: opened, place: place, packBytes: s.packs[place.Pack],
		}
	}
	return sourceObject{opened, s}, nil
}

// Link implements snapshot.LinkingSource. A file that is not an object of its own cannot be linked.
func (s source) Link(ctx context.Context, name, path string) error {
	linker, ok := s.objects.(objectLinker)
	_, inline := s.inline[name]
	_, packed := s.packed[name]
	if inline || packed || !ok {
		return fmt.Errorf("link file %q: %w", name, errors.ErrUnsupported)
	}
	object, err := s.objectOf(name)
	if err != nil {
		return err
	}
	return s.named(linker.Link(ctx, object, path))
}

// objectLinker is implemented by Objects that can give an object a second name in the file
// system.
type objectLinker interface {
	Link(ctx context.Context, name, path string) error
}

// objectOf returns the name of the object that holds a file of the checkpoint, or the pack in which
// the file lies.
func (s source) objectOf(name string) (string, error) {
	f, ok := s.files[name]
	if !ok {
		return "", s.named(fmt.Errorf("file %q: %w", name, fs.ErrNotExist))
	}
	if place, packed := s.packed[name]; packed {
		return s.layout.pack(s.id, place.Pack), nil
	}
	return s.layout.object(s.id, f), nil
}

// named wraps an error in a SourceError.
func (s source) named(err error) error {
	if err == nil || s.id == 0 {
		return err
	}
	return &SourceError{ID: s.id, Err: err}
}

// sourceObject is an open object whose errors are wrapped in SourceError.
type sourceObject struct {
	snapshot.Object
	source source
}

// Size implements snapshot.Object.
func (o sourceObject) Size() (int64, error) {
	n, err := o.Object.Size()
	return n, o.source.named(err)
}

// ReadAt implements io.ReaderAt.
func (o sourceObject) ReadAt(b []byte, offset int64) (int, error) {
	n, err := o.Object.ReadAt(b, offset)
	if err != nil && err != io.EOF { // callers compare io.EOF with ==
		err = o.source.named(err)
	}
	return n, err
}

// packedObject is an open file in a pack. Its first read reads the whole file, because each read of
// an object may cost a request, and a store that reads ahead would read the files after it.
//
// Thread safety: safe for concurrent use.
type packedObject struct {
	file      *io.SectionReader
	pack      snapshot.Object
	place     Place
	packBytes int64 // size of the pack in the metadata

	mu      sync.Mutex
	content []byte // nil until the first read
}

// ReadAt implements io.ReaderAt.
func (o *packedObject) ReadAt(b []byte, offset int64) (int, error) {
	if o.file.Size() > maxPackBytes { // no coordinator has written it
		return o.file.ReadAt(b, offset)
	}
	content, err := o.read()
	if err != nil {
		return 0, err
	}
	return bytes.NewReader(content).ReadAt(b, offset)
}

// read returns the content of the file, which is shorter than its size if the pack ends early.
func (o *packedObject) read() ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.content != nil {
		return o.content, nil
	}
	content := make([]byte, o.file.Size())
	n, err := o.file.ReadAt(content, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	o.content = content[:n]
	return o.content, nil
}

// Size implements snapshot.Object. It returns ErrCorrupt if the pack has another size than in the
// metadata.
func (o *packedObject) Size() (int64, error) {
	bytes, err := o.pack.Size()
	if err == nil && bytes != o.packBytes {
		err = fmt.Errorf("pack %q has %d bytes, want %d: %w", o.place.Pack, bytes, o.packBytes, ErrCorrupt)
	}
	if err != nil {
		return 0, err
	}
	return o.file.Size(), nil
}

// Close implements io.Closer.
func (o *packedObject) Close() error { return o.pack.Close() }

// inlineObject is an open file whose content is in memory.
type inlineObject struct{ *bytes.Reader }

func (o inlineObject) Size() (int64, error) { return o.Reader.Size(), nil }
func (o inlineObject) Close() error         { return nil }
