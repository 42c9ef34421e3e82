package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weirstate/weir/snapshot"
)

// Create implements checkpoint.Objects. It sends no request.
func (s *Store) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, s.failed(ctx, "create", name, context.Cause(ctx))
	}
	f := &file{store: s, name: name, key: s.keys.of(name), token: rand.Text(), slots: make(chan struct{}, s.o.PartsInFlight)}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	return f, nil
}

// tokenKey is the name of the metadata that holds the token of the writer.
const tokenKey = "weir-writer"

// file is an object that is being written: see Store.
//
// Invariant: at most PartsInFlight parts are being sent, and one is being filled. A buffer is used
// again only after its request has succeeded, since the HTTP client may read the body of a failed
// request later.
//
// Thread safety: one goroutine.
type file struct {
	store  *Store
	name   string
	key    string
	token  string
	ctx    context.Context // ends when a part fails
	cancel context.CancelCauseFunc

	buffer   []byte // the part that is being filled
	uploadID string // empty until the first part is full
	unknown  bool   // there may be an upload whose ID is unknown, since an answer was lost
	parts    []*part
	slots    chan struct{} // one element for each part that is being sent
	sending  sync.WaitGroup
	ended    bool
	failed   bool // Commit has failed
}

// part is a part of a multipart upload.
type part struct {
	number int32
	done   types.CompletedPart // set once the part was sent
}

// Write implements snapshot.File. It waits while all parts in flight are being sent.
func (f *file) Write(p []byte) (n int, err error) {
	if f.ended || f.failed {
		return 0, f.error("create", fs.ErrClosed)
	}
	for len(p) > 0 {
		if f.ctx.Err() != nil {
			return n, f.error("create", context.Cause(f.ctx))
		}
		if int64(len(f.buffer)) == f.store.o.PartBytes {
			if err := f.send(); err != nil {
				return n, f.error("create", err)
			}
		}
		f.grow(len(p))
		filled := min(len(p), cap(f.buffer)-len(f.buffer))
		f.buffer = append(f.buffer, p[:filled]...)
		n, p = n+filled, p[filled:]
	}
	return n, nil
}

// grow makes room in the buffer for at least one byte, and for more bytes if they fit into a part.
func (f *file) grow(more int) {
	if len(f.buffer)+more <= cap(f.buffer) || int64(cap(f.buffer)) >= f.store.o.PartBytes {
		return
	}
	size := int64(max(len(f.buffer)+more, 2*cap(f.buffer), minBufferBytes))
	if len(f.parts) > 0 || size > f.store.o.PartBytes/2 {
		f.buffer = append(f.store.takePart(), f.buffer...)
		return
	}
	f.buffer = append(make([]byte, 0, size), f.buffer...)
}

// minBufferBytes is the size of the first buffer of an object.
const minBufferBytes = 32 << 10

// takePart returns an empty buffer for a part.
func (s *Store) takePart() []byte {
	if b, ok := s.parts.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, s.o.PartBytes)
}

// giveBack takes a buffer that nothing refers to any more.
func (s *Store) giveBack(b []byte) {
	if int64(cap(b)) == s.o.PartBytes {
		s.parts.Put(&b)
	}
}

// send sends the buffer as the next part, in the background.
func (f *file) send() error {
	if len(f.parts) == maxParts {
		return fmt.Errorf("more than %d parts of %d bytes, raise part in the URL: %w", maxParts, f.store.o.PartBytes, syscall.EFBIG)
	}
	if err := f.begin(); err != nil {
		return err
	}
	select {
	case f.slots <- struct{}{}:
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
	data, p := f.buffer, &part{number: int32(len(f.parts) + 1)}
	f.parts, f.buffer = append(f.parts, p), nil
	f.sending.Go(func() {
		defer func() { <-f.slots }()
		if err := f.store.sendPart(f.ctx, f.key, f.uploadID, p, data); err != nil {
			f.cancel(failure(f.ctx, err))
			return
		}
		f.store.giveBack(data)
	})
	return nil
}

// begin creates the multipart upload, unless it exists.
func (f *file) begin() error {
	if f.uploadID != "" {
		return nil
	}
	f.unknown = true
	created, err := f.store.client.CreateMultipartUpload(f.ctx, &s3.CreateMultipartUploadInput{
		Bucket: &f.store.bucket, Key: &f.key, ChecksumAlgorithm: f.store.algorithm, Metadata: map[string]string{tokenKey: f.token},
	})
	if err != nil {
		err = failure(f.ctx, err)
		f.cancel(err)
		return err
	}
	f.uploadID = aws.ToString(created.UploadId)
	attempts, ok := retry.GetAttemptResults(created.ResultMetadata)
	f.unknown = !ok || len(attempts.Results) > 1
	return nil
}

// sendPart sends a part and records the answer in p.
func (s *Store) sendPart(ctx context.Context, key, uploadID string, p *part, data []byte) error {
	out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: &key, UploadId: &uploadID, PartNumber: &p.number,
		Body: bytes.NewReader(data), ChecksumAlgorithm: s.algorithm,
	})
	if err != nil {
		return err
	}
	p.done = types.CompletedPart{
		PartNumber: &p.number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C,
		ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA256: out.ChecksumSHA256,
	}
	return nil
}

// Commit implements snapshot.File.
func (f *file) Commit() error {
	if f.ended || f.failed {
		return f.error("commit", fs.ErrClosed)
	}
	err := f.commit()
	if err != nil {
		f.failed = true
		return f.error("commit", err)
	}
	f.ended = true
	f.cancel(nil)
	f.store.giveBack(f.buffer)
	f.buffer = nil
	return nil
}

// commit makes the object visible.
func (f *file) commit() error {
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	if f.store.o.SingleWriter {
		unlock, err := commits.lock(f.ctx, aws.ToString(f.store.client.Options().BaseEndpoint)+" "+f.store.url(f.name))
		if err != nil {
			return err
		}
		defer unlock()
		if state, err := f.inspect(); err != nil {
			return err
		} else if state != missing {
			return fs.ErrExist
		}
	}
	var err error
	if len(f.parts) == 0 {
		err = f.put()
	} else {
		err = f.completeUpload()
	}
	if err == nil || !isConflict(err) && !isNoSuchUpload(err) {
		return err
	}
	state, unknown := f.inspect()
	switch {
	case unknown != nil:
		return errors.Join(failure(f.ctx, err), failure(f.ctx, unknown))
	case state == ours:
		return nil
	case state == others:
		return fs.ErrExist
	case isConflict(err):
		return fmt.Errorf("it existed, and was then removed: %w: %w", ErrChanged, failure(f.ctx, err))
	}
	return err
}

// commits has a lock for the URL of each object that a store with SingleWriter commits now. Several
// stores of one process may have the same prefix.
var commits nameLocks

// nameLocks has a lock for each name.
//
// Thread safety: safe for concurrent use.
type nameLocks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when the lock is released
}

// lock waits for the lock of a name.
func (l *nameLocks) lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		other, taken := l.held[name]
		if !taken {
			break
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[string]chan struct{})
	}
	mine := make(chan struct{})
	l.held[name] = mine
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, name)
		close(mine)
	}, nil
}

// condition returns the header with which the server refuses to replace an object.
func (f *file) condition() *string {
	if f.store.o.SingleWriter {
		return nil
	}
	return aws.String("*")
}

// put writes the object with one request.
func (f *file) put() error {
	_, err := f.store.client.PutObject(f.ctx, &s3.PutObjectInput{
		Bucket: &f.store.bucket, Key: &f.key, Body: bytes.NewReader(f.buffer), IfNoneMatch: f.condition(),
		Metadata: map[string]string{tokenKey: f.token}, ChecksumAlgorithm: algorithms[f.store.o.Checksum],
	})
	return err
}

// completeUpload sends the last part and completes the multipart upload.
func (f *file) completeUpload() error {
	if err := f.send(); err != nil {
		return err
	}
	f.sending.Wait()
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	done := &types.CompletedMultipartUpload{}
	for _, p := range f.parts {
		done.Parts = append(done.Parts, p.done)
	}
	_, err := f.store.client.CompleteMultipartUpload(f.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &f.store.bucket, Key: &f.key, UploadId: &f.uploadID, MultipartUpload: done, IfNoneMatch: f.condition(),
	})
	return err
}

// presence is the answer to the question whose object has a name.
type presence int

const (
	missing presence = iota
	ours             // the object has our token
	others
)

// inspect asks the server whether the object exists, and whose it is.
func (f *file) inspect() (presence, error) {
	out, err := f.store.client.HeadObject(f.ctx, &s3.HeadObjectInput{Bucket: &f.store.bucket, Key: &f.key})
	switch {
	case isNotFound(err):
		return missing, nil
	case err != nil:
		return missing, err
	case out.Metadata[tokenKey] == f.token:
		return ours, nil
	}
	return others, nil
}

// Abort implements snapshot.File. It waits for the parts in flight, which end at once, and then at
// most abortTimeout for the server. The end of the context of Create does not matter.
func (f *file) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	f.cancel(fs.ErrClosed)
	f.sending.Wait()
	f.buffer = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), abortTimeout)
	defer cancel()
	var err error
	if f.uploadID != "" {
		err = f.store.abortUpload(ctx, f.key, f.uploadID)
	}
	if f.unknown {
		err = errors.Join(err, f.abortUnknown(ctx))
	}
	return f.store.failed(ctx, "abort", f.name, err)
}

// abortTimeout limits the requests of an Abort.
const abortTimeout = 30 * time.Second

// lateAbortTimeout limits the Abort of an upload of Open after its context has ended.
const lateAbortTimeout = 3 * time.Second

// abortUnknown aborts the multipart uploads of the key. An answer to CreateMultipartUpload was lost,
// so the ID of an upload of our own is unknown. Another writer of the same name then fails, and may not succeed
// anyway.
func (f *file) abortUnknown(ctx context.Context) error {
	uploads, err := f.store.listUploads(ctx, f.key)
	for _, u := range uploads {
		if aws.ToString(u.Key) == f.key {
			err = errors.Join(err, f.store.abortUpload(ctx, f.key, aws.ToString(u.UploadId)))
		}
	}
	return err
}

// abortUpload aborts a multipart upload. The server may store a part whose request was canceled
// after the upload was aborted; then the upload is still there, and is aborted again.
func (s *Store) abortUpload(ctx context.Context, key, uploadID string) error {
	for attempt := range abortTries {
		_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &uploadID})
		if isNoSuchUpload(err) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = s.client.ListParts(ctx, &s3.ListPartsInput{Bucket: &s.bucket, Key: &key, UploadId: &uploadID, MaxParts: aws.Int32(1)})
		if err != nil { // usually NoSuchUpload; the abort has succeeded in any case
			return nil
		}
		if err := s.pause(ctx, attempt+1, nil); err != nil {
			return err
		}
	}
	return nil
}

// abortTries is the number of times that an upload is aborted if parts arrive late.
const abortTries = 3

// error returns an error that names the object.
func (f *file) error(op string, err error) error { return f.store.failed(f.ctx, op, f.name, err) }
