package statetest

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// store is a snapshot.Target and a snapshot.Source in memory.
//
// Thread safety: safe for concurrent use.
type store struct {
	mu    sync.Mutex
	files map[string][]byte
}

func newStore() *store { return &store{files: make(map[string][]byte)} }

// Create implements snapshot.Target.
func (s *store) Create(ctx context.Context, name string) (snapshot.File, error) {
	return s.create(ctx, name, nil, 0)
}

func (s *store) create(ctx context.Context, name string, opened <-chan struct{}, freeWrites int) (snapshot.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.files[name]; ok {
		return nil, fs.ErrExist
	}
	return &storedFile{store: s, name: name, ctx: ctx, opened: opened, freeWrites: freeWrites}, nil
}

// Open implements snapshot.Source.
func (s *store) Open(_ context.Context, name string) (snapshot.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return storedObject{bytes.NewReader(content)}, nil
}

// content returns a copy of the committed files.
func (s *store) content() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.files)
}

// gate is a target whose files accept some writes and then block until open is called or their context
// ends. With it a test keeps a snapshot running.
type gate struct {
	store      *store
	freeWrites int
	opened     chan struct{}
	once       sync.Once
}

func (s *store) gate(freeWrites int) *gate {
	return &gate{store: s, freeWrites: freeWrites, opened: make(chan struct{})}
}

// Create implements snapshot.Target.
func (g *gate) Create(ctx context.Context, name string) (snapshot.File, error) {
	return g.store.create(ctx, name, g.opened, g.freeWrites)
}

func (g *gate) open() { g.once.Do(func() { close(g.opened) }) }

type storedFile struct {
	store      *store
	name       string
	ctx        context.Context
	opened     <-chan struct{} // nil: never block
	freeWrites int
	content    []byte
}

// Write implements snapshot.File.
func (f *storedFile) Write(b []byte) (int, error) {
	if f.freeWrites--; f.opened != nil && f.freeWrites < 0 {
		select {
		case <-f.opened:
		case <-f.ctx.Done():
			return 0, context.Cause(f.ctx)
		}
	}
	f.content = append(f.content, b...)
	return len(b), nil
}

// Commit implements snapshot.File.
func (f *storedFile) Commit() error {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	if _, ok := f.store.files[f.name]; ok {
		return fs.ErrExist
	}
	f.store.files[f.name] = f.content
	return nil
}

// Abort implements snapshot.File. Files that were not committed are not in the store.
func (f *storedFile) Abort() error { return nil }

type storedObject struct{ *bytes.Reader }

// Size implements snapshot.Object.
func (o storedObject) Size() (int64, error) { return o.Reader.Size(), nil }

// Close implements snapshot.Object.
func (o storedObject) Close() error { return nil }
