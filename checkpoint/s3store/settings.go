package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weirstate/weir/checkpoint"
)

// settings is the content of a hidden object of the prefix, for example:
//
//	weir s3 1
//	entropy 1
//	multipart tested
//
// The object has two purposes. It fixes the mapping of names to keys, since a program with another
// mapping would not find the objects and take the checkpoints for lost. And it is the object on
// which Open tests If-None-Match: to create it once more must fail. The same test of a multipart
// upload takes five requests, so its result is recorded.
//
// The bytes never change but for the last line, and every program writes the same ones, so two
// programs that open a new prefix do not disturb each other.
type settings struct {
	entropy         int
	multipartTested bool
}

const (
	settingsName   = ".weir-store"
	settingsHeader = "weir s3 1\n"
	multipartLine  = "multipart tested\n"
)

// encode returns the bytes of the settings.
func (t settings) encode() []byte {
	text := fmt.Sprintf("%sentropy %d\n", settingsHeader, t.entropy)
	if t.multipartTested {
		text += multipartLine
	}
	return []byte(text)
}

// decodeSettings returns ErrSettings for bytes that encode does not return.
func decodeSettings(b []byte) (t settings, err error) {
	rest, ok := strings.CutPrefix(string(b), settingsHeader+"entropy ")
	number, rest, _ := strings.Cut(rest, "\n")
	t.entropy, err = strconv.Atoi(number)
	t.multipartTested = rest == multipartLine
	if !ok || err != nil || t.entropy < 0 || t.entropy > maxEntropy || !bytes.Equal(t.encode(), b) {
		return settings{}, ErrSettings
	}
	return t, nil
}

// openSettings reads or creates the settings of the prefix, and tests that the server honors
// If-None-Match.
func (s *Store) openSettings(ctx context.Context) error {
	have, found, err := s.readSettings(ctx)
	if err != nil {
		return err
	}
	if !found {
		have.entropy = s.o.Entropy
	}
	if s.o.SingleWriter {
		if !found {
			err = s.putSettings(ctx, have, nil)
		}
	} else {
		have, err = s.testConditional(ctx, have)
	}
	if err != nil {
		return err
	}
	if s.o.Entropy != 0 && s.o.Entropy != have.entropy {
		return fmt.Errorf("Entropy is %d, but the objects under the prefix have %d: %w", s.o.Entropy, have.entropy, checkpoint.ErrInvalidOption)
	}
	s.keys.entropy = have.entropy
	return nil
}

// readSettings returns the settings of the prefix, if it has any.
func (s *Store) readSettings(ctx context.Context) (t settings, found bool, err error) {
	o := &object{store: s, key: *s.settingsKey()}
	o.ctx, o.cancel = context.WithCancelCause(ctx)
	defer o.Close()
	err = o.open()
	if codeOf(err) == "NoSuchKey" {
		return t, false, nil
	}
	if err == nil {
		t, err = decodeSettings(o.first)
	}
	return t, err == nil, err
}

// settingsKey returns the key of the settings.
func (s *Store) settingsKey() *string { return aws.String(s.keys.prefix + settingsName) }

// putSettings writes the settings, with If-None-Match unless condition is nil.
func (s *Store) putSettings(ctx context.Context, t settings, condition *string) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: s.settingsKey(), Body: bytes.NewReader(t.encode()), IfNoneMatch: condition,
		ChecksumAlgorithm: algorithms[s.o.Checksum],
	})
	return err
}

// testConditional creates the settings twice, unless they exist: the second time must fail. It
// returns the settings that the prefix has then.
func (s *Store) testConditional(ctx context.Context, want settings) (settings, error) {
	created, refused := false, false
	for range 2 {
		err := s.putSettings(ctx, want, aws.String("*"))
		if refused = isConflict(err); refused {
			break
		}
		if isNotImplemented(err) {
			return want, ErrConditional
		}
		if err != nil {
			return want, err
		}
		created = true
	}
	if !refused {
		return want, ErrConditional
	}
	if !created && !want.multipartTested { // another program may have created them since they were read
		have, found, err := s.readSettings(ctx)
		if err != nil {
			return have, err
		}
		if found {
			want = have
		}
	}
	if want.multipartTested {
		return want, nil
	}
	if err := s.testMultipart(ctx, want); err != nil {
		return want, err
	}
	want.multipartTested = true
	return want, s.putSettings(ctx, want, nil)
}

// testMultipart tests that the server does not complete a multipart upload whose key is taken. The
// upload has the settings that the prefix has, so that it does no harm if the server completes it.
func (s *Store) testMultipart(ctx context.Context, have settings) error {
	created, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: s.settingsKey(), ChecksumAlgorithm: s.algorithm,
	})
	if err != nil {
		return err
	}
	part := &part{number: 1}
	err = s.sendPart(ctx, *s.settingsKey(), *created.UploadId, part, have.encode())
	completed := false
	if err == nil {
		_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.bucket, Key: s.settingsKey(), UploadId: created.UploadId, IfNoneMatch: aws.String("*"),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{part.done}},
		})
		completed = err == nil
	}
	if completed {
		return ErrConditional
	}
	limit := abortTimeout
	if ctx.Err() != nil {
		limit = lateAbortTimeout
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	aborted := s.abortUpload(ending, *s.settingsKey(), *created.UploadId)
	switch {
	case isConflict(err):
		err = nil
	case isNotImplemented(err):
		err = ErrConditional
	}
	return errors.Join(err, aborted)
}

// isNotImplemented reports whether the server does not know a request or one of its headers.
func isNotImplemented(err error) bool {
	code := codeOf(err)
	return code == "NotImplemented" || code == "MethodNotAllowed"
}
