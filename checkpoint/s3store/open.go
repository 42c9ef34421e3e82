package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstate/weir/snapshot"
)

// Open implements checkpoint.Objects. It requests the first part and reads 256 KiB of it, so that
// entries, metadata and small files cost one request. If the next read continues there, so does the
// response; otherwise the response is closed.
func (s *Store) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	o := &object{store: s, name: name, key: s.keys.of(name)}
	o.ctx, o.cancel = context.WithCancelCause(ctx)
	if err := o.open(); err != nil {
		o.cancel(nil)
		return nil, s.failed(ctx, "open", name, err)
	}
	o.next = int64(len(o.first))
	return o, nil
}

// firstBytes is the number of bytes that Open reads.
const firstBytes = 256 << 10

// object is an open object: see Store and readAhead.
//
// Thread safety: safe for concurrent use, except Close.
type object struct {
	store  *Store
	name   string
	key    string
	ctx    context.Context // ends when the object is closed
	cancel context.CancelCauseFunc

	etag  string // empty if the server has none
	size  int64
	first []byte // the beginning of the object

	readAhead
}

// open reads the first bytes and the size.
func (o *object) open() error {
	if o.ctx.Err() != nil {
		return context.Cause(o.ctx)
	}
	var err error
	for attempt := range o.store.o.Retries + 1 {
		if attempt > 0 {
			if err := o.store.pause(o.ctx, attempt, err); err != nil {
				return err
			}
		}
		var r *response
		if r, err = o.get(0, max(o.store.o.PartBytes, firstBytes)); err != nil {
			if isInvalidRange(err) { // an empty object has no ranges
				return o.head()
			}
			return err
		}
		o.etag, o.size = r.etag, r.size
		first := make([]byte, min(r.size, firstBytes))
		if _, err = r.read(first); err == nil {
			o.first = first
			if r.left > 0 {
				o.rest = r
			}
			return nil
		}
		if o.ctx.Err() != nil {
			return context.Cause(o.ctx)
		}
	}
	return err
}

// head reads the size without content.
func (o *object) head() error {
	out, err := o.store.client.HeadObject(o.ctx, &s3.HeadObjectInput{Bucket: &o.store.bucket, Key: &o.key})
	if err != nil {
		return err
	}
	o.etag, o.size = aws.ToString(out.ETag), aws.ToInt64(out.ContentLength)
	if o.size != 0 {
		return fmt.Errorf("the server refuses a range of an object of %d bytes: %w", o.size, ErrUnavailable)
	}
	return nil
}

// response is a range of an object that is being received. It is closed once all bytes are read,
// and after an error.
type response struct {
	body io.ReadCloser
	etag string
	size int64 // of the whole object
	left int64 // bytes of the range that are not read yet
}

// get requests n bytes at an offset, or less if the object ends before.
func (o *object) get(offset, n int64) (*response, error) {
	in := &s3.GetObjectInput{
		Bucket: &o.store.bucket, Key: &o.key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+n-1)),
	}
	if o.etag != "" {
		in.IfMatch = &o.etag
	}
	out, err := o.store.client.GetObject(o.ctx, in)
	if err != nil {
		return nil, err
	}
	r := &response{body: out.Body, etag: aws.ToString(out.ETag)}
	if out.ContentRange == nil {
		r.size = aws.ToInt64(out.ContentLength)
		r.left = min(n, r.size)
		if offset != 0 || out.ContentLength == nil || r.size < 0 {
			_ = out.Body.Close()
			return nil, fmt.Errorf("the server ignores ranges: %w", ErrUnavailable)
		}
		return r, nil
	}
	from, to, size, ok := parseRange(*out.ContentRange)
	r.size, r.left = size, to-from+1
	if !ok || from != offset || r.left != min(n, size-offset) {
		_ = out.Body.Close()
		return nil, fmt.Errorf("the server has sent another range than requested: %w", ErrUnavailable)
	}
	return r, nil
}

// parseRange parses the header of a partial response: bytes 0-99/1000.
func parseRange(header string) (from, to, size int64, ok bool) {
	header, ok = strings.CutPrefix(header, "bytes ")
	span, whole, found := strings.Cut(header, "/")
	first, last, dash := strings.Cut(span, "-")
	if !ok || !found || !dash {
		return 0, 0, 0, false
	}
	numbers := [3]int64{}
	for i, text := range []string{first, last, whole} {
		n, err := strconv.ParseUint(text, 10, 62)
		if err != nil {
			return 0, 0, 0, false
		}
		numbers[i] = int64(n)
	}
	from, to, size = numbers[0], numbers[1], numbers[2]
	return from, to, size, from <= to && to < size
}

// read fills p with the next bytes of the response. It returns how many bytes are good: none if the
// checksum of the response is wrong.
func (r *response) read(p []byte) (n int, err error) {
	n, err = io.ReadFull(r.body, p)
	r.left -= int64(n)
	if err == nil && r.left > 0 {
		return n, nil
	}
	defer r.body.Close()
	if err == nil { // at the end the SDK verifies the checksum
		if _, err = r.body.Read(make([]byte, 1)); err == io.EOF || err == nil { // nil: a whole object, in place of a range
			return n, nil
		}
	}
	switch {
	case isChecksum(err):
		return 0, fmt.Errorf("response: %w", ErrChecksum)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, fmt.Errorf("the response ends early: %w", ErrUnavailable)
	}
	return n, fmt.Errorf("response: %s: %w", transportText(err), ErrUnavailable)
}

// fill reads the bytes at an offset; all of them exist. If a response ends early it requests the
// rest.
func (o *object) fill(p []byte, offset int64) (err error) {
	done := 0
	for attempt := 0; done < len(p); attempt++ {
		if attempt > o.store.o.Retries {
			return err
		}
		if attempt > 0 {
			if err := o.store.pause(o.ctx, attempt, err); err != nil {
				return err
			}
		}
		var r *response
		r, err = o.get(offset+int64(done), int64(len(p)-done))
		switch {
		case isConflict(err), isInvalidRange(err):
			return fmt.Errorf("%w: %w", ErrChanged, failure(o.ctx, err))
		case err != nil:
			return err
		case r.size != o.size:
			_ = r.body.Close()
			return fmt.Errorf("it had %d bytes and has %d: %w", o.size, r.size, ErrChanged)
		case r.etag != o.etag: // of a server that ignores If-Match
			_ = r.body.Close()
			return ErrChanged
		}
		var n int
		n, err = r.read(p[done:])
		done += n
		if o.ctx.Err() != nil {
			return context.Cause(o.ctx)
		}
	}
	return nil
}

// fillParallel reads like fill, in ranges of a part that are requested at the same time.
func (o *object) fillParallel(p []byte, offset int64) error {
	part := int(o.store.o.PartBytes)
	if len(p) <= part {
		return o.fill(p, offset)
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, o.store.o.PartsInFlight)
	failures := make([]error, (len(p)+part-1)/part)
	for i := range failures {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			from := i * part
			failures[i] = o.fill(p[from:min(from+part, len(p))], offset+int64(from))
		})
	}
	wait.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// Size implements snapshot.Object.
func (o *object) Size() (int64, error) { return o.size, nil }

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, o.error(fmt.Errorf("offset %d is below zero: %w", offset, fs.ErrInvalid))
	}
	if o.ctx.Err() != nil {
		return 0, o.error(context.Cause(o.ctx))
	}
	want := p[:max(0, min(int64(len(p)), o.size-offset))]
	for n < len(want) && err == nil {
		var more int
		more, err = o.read(want[n:], offset+int64(n))
		n += more
	}
	switch {
	case err != nil:
		return n, o.error(err)
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

// read reads at least one byte: from the first bytes, from a range that was read ahead, or from
// the server.
func (o *object) read(p []byte, offset int64) (int, error) {
	if offset < int64(len(o.first)) {
		return copy(p, o.first[offset:]), nil
	}
	if int64(len(p)) < 2*o.store.o.PartBytes {
		if w := o.window(offset); w != nil {
			return o.readWindow(w, p, offset)
		}
	}
	if err := o.fillParallel(p, offset); err != nil {
		return 0, err
	}
	o.setNext(offset + int64(len(p)))
	return len(p), nil
}

// Close implements snapshot.Object. It ends the requests of the object and waits for them.
func (o *object) Close() error {
	o.cancel(fs.ErrClosed)
	o.closeWindows()
	return nil
}

// error returns an error that names the object.
func (o *object) error(err error) error { return o.store.failed(o.ctx, "read", o.name, err) }
