package s3store

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Remove implements checkpoint.Objects.
func (s *Store) Remove(ctx context.Context, name string) error {
	of, uploadID, unfinished := cutUpload(name)
	if err := checkName(of); err != nil {
		return err
	}
	var err error
	if unfinished {
		err = s.abortUpload(ctx, s.keys.of(of), uploadID)
	} else {
		_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.keys.of(name))})
	}
	if codeOf(err) == "NoSuchKey" {
		err = nil
	}
	return s.failed(ctx, "remove", of, err)
}

// RemoveAll implements checkpoint.BatchRemover. It returns the errors of all objects that could not
// be removed.
func (s *Store) RemoveAll(ctx context.Context, names []string) (err error) {
	var objects []string
	for _, name := range names {
		if _, _, unfinished := cutUpload(name); unfinished || checkName(name) != nil {
			err = errors.Join(err, s.Remove(ctx, name))
		} else {
			objects = append(objects, name)
		}
	}
	if len(objects) == 1 {
		return errors.Join(err, s.Remove(ctx, objects[0]))
	}
	for batch := range slices.Chunk(objects, batchNames) {
		if ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		err = errors.Join(err, s.removeBatch(ctx, batch))
	}
	return err
}

// batchNames is the number of keys that one DeleteObjects request may have.
const batchNames = 1000

// removeBatch removes objects with one request, or with one each if the server cannot do that.
func (s *Store) removeBatch(ctx context.Context, names []string) error {
	if s.noBatch.Load() {
		return s.removeEach(ctx, names)
	}
	keys, request := make(map[string]string), &types.Delete{Quiet: aws.Bool(true)}
	for _, name := range names {
		key := s.keys.of(name)
		keys[key] = name
		request.Objects = append(request.Objects, types.ObjectIdentifier{Key: &key})
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.bucket, Delete: request, ChecksumAlgorithm: algorithms[s.o.Checksum],
	})
	if cannotBatch(err) {
		s.noBatch.Store(true)
		return s.removeEach(ctx, names)
	}
	if err != nil {
		return s.failed(ctx, "remove", names[0], err)
	}
	for _, e := range out.Errors {
		if code := aws.ToString(e.Code); code != "NoSuchKey" {
			err = errors.Join(err, s.failed(ctx, "remove", keys[aws.ToString(e.Key)], batchError(code)))
		}
	}
	return err
}

// batchError describes the answer for one key of a DeleteObjects request.
func batchError(code string) error {
	e := &requestError{text: "DeleteObjects: " + plain(code)}
	reason, known := reasons[code]
	if !known {
		reason = ErrUnavailable // such as InternalError
	}
	e.add(reason)
	return e
}

// cannotBatch reports whether the server does not have DeleteObjects, or not with the checksum that
// the SDK sends.
func cannotBatch(err error) bool {
	switch codeOf(err) {
	case "MissingContentMD5", "InvalidRequest", "MalformedXML":
		return true
	}
	return isNotImplemented(err) || statusOf(err) == http.StatusNotImplemented
}

// removeEach removes objects with one request each.
func (s *Store) removeEach(ctx context.Context, names []string) (err error) {
	for _, name := range names {
		if ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		err = errors.Join(err, s.Remove(ctx, name))
	}
	return err
}
