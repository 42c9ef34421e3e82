// Package blobstore stores checkpoints on a server that speaks plain HTTP: PUT creates an object,
// GET and HEAD read it, DELETE removes it, and LIST returns the objects with a prefix as JSON.
// Import the package to open the URL blob://server/folder.
package blobstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

func init() {
	_ = checkpoint.Register("blob", func(_ context.Context, u *url.URL) (checkpoint.Objects, error) {
		if u.Host == "" || u.RawQuery != "" {
			return nil, fmt.Errorf("want blob://server/folder: %w", checkpoint.ErrURL)
		}
		return store{"http://" + u.Host + u.EscapedPath() + "/"}, nil
	})
}

// store implements checkpoint.Objects.
type store struct{ folder string }

// reasons are the errors that checkpoint.Objects documents, by status.
var reasons = map[int]error{404: fs.ErrNotExist, 412: fs.ErrExist, 403: fs.ErrPermission}

// do sends a request. It returns the body of the answer and its length in bytes, which differ
// for HEAD.
func (s store) do(ctx context.Context, method, name, header, value string, body []byte) ([]byte, int64, error) {
	check := checkpoint.CheckObjectName
	if method == "LIST" {
		check = checkpoint.CheckPrefix
	}
	request, err := http.NewRequestWithContext(ctx, method, s.folder+name, bytes.NewReader(body))
	if err = errors.Join(context.Cause(ctx), check(name), err); err != nil {
		return nil, 0, err
	}
	request.Header.Set(header, value)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, 0, cmp.Or(context.Cause(ctx), err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		err = cmp.Or(reasons[response.StatusCode], errors.New(response.Status))
		return nil, 0, &fs.PathError{Op: method, Path: s.folder + name, Err: err}
	}
	data, err := io.ReadAll(response.Body)
	return data, response.ContentLength, err
}

// Create implements checkpoint.Objects.
func (s store) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := errors.Join(context.Cause(ctx), checkpoint.CheckObjectName(name)); err != nil {
		return nil, err
	}
	return &file{ctx: ctx, store: s, name: name}, nil
}

// file holds an object in memory until its Commit, which sends it in one request.
type file struct {
	ctx     context.Context
	store   store
	name    string
	content []byte
	ended   bool
}

// Write implements snapshot.File.
func (f *file) Write(p []byte) (int, error) {
	if f.ended {
		return 0, fs.ErrClosed
	}
	f.content = append(f.content, p...)
	return len(p), nil
}

// Commit implements snapshot.File.
func (f *file) Commit() error {
	if f.ended {
		return fs.ErrClosed
	}
	_, _, err := f.store.do(f.ctx, "PUT", f.name, "If-None-Match", "*", f.content)
	f.ended = err == nil
	return err
}

// Abort implements snapshot.File.
func (f *file) Abort() error { f.ended = true; return nil }

// Open implements checkpoint.Objects.
func (s store) Open(ctx context.Context, name string) (snapshot.Object, error) {
	_, size, err := s.do(ctx, "HEAD", name, "Accept", "*/*", nil)
	return object{s, name, size}, err
}

// object implements snapshot.Object.
type object struct {
	store store
	name  string
	size  int64
}

func (o object) Size() (int64, error) { return o.size, nil }
func (o object) Close() error         { return nil }

// ReadAt implements snapshot.Object. Each call is one request.
func (o object) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset >= o.size || len(p) == 0 {
		return 0, io.EOF
	}
	ranged := fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(p))-1)
	data, _, err := o.store.do(context.Background(), "GET", o.name, "Range", ranged, nil)
	n := copy(p, data)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// List implements checkpoint.Objects. The server orders the objects by name.
func (s store) List(ctx context.Context, prefix string) (objects []checkpoint.ObjectInfo, err error) {
	data, _, err := s.do(ctx, "LIST", prefix, "Accept", "*/*", nil)
	if err != nil {
		return nil, err
	}
	return objects, json.Unmarshal(data, &objects)
}

// Remove implements checkpoint.Objects. The server accepts a missing object.
func (s store) Remove(ctx context.Context, name string) error {
	_, _, err := s.do(ctx, "DELETE", name, "Accept", "*/*", nil)
	return err
}
