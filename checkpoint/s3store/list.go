package s3store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weirstate/weir/checkpoint"
)

// List implements checkpoint.Objects. It ignores keys that are not those of objects, such as the
// folder markers that consoles make: no object can have their names.
func (s *Store) List(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	found, err := fanOut(ctx, s, prefix, s.listObjects, func(o types.Object) (checkpoint.ObjectInfo, bool) {
		name, ok := s.keys.name(aws.ToString(o.Key))
		return checkpoint.ObjectInfo{Name: name, Size: aws.ToInt64(o.Size)}, ok
	})
	if err != nil {
		return nil, s.failed(ctx, "list", prefix, err)
	}
	slices.SortFunc(found, func(a, b checkpoint.ObjectInfo) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(found, func(a, b checkpoint.ObjectInfo) bool { return a.Name == b.Name }), nil
}

// ListUnfinished implements checkpoint.UnfinishedLister. An unfinished object is a multipart
// upload; an object that is collected in memory leaves nothing behind.
func (s *Store) ListUnfinished(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	found, err := fanOut(ctx, s, prefix, s.listUploads, func(u types.MultipartUpload) (checkpoint.ObjectInfo, bool) {
		of, ok := s.keys.name(aws.ToString(u.Key))
		return checkpoint.ObjectInfo{Name: uploadName(of, aws.ToString(u.UploadId)), Unfinished: true, Of: of}, ok
	})
	if err != nil {
		return nil, s.failed(ctx, "list", prefix, err)
	}
	slices.SortFunc(found, func(a, b checkpoint.ObjectInfo) int {
		return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}

// listsAtOnce is the number of listings with a hash that a Store runs at the same time.
const listsAtOnce = 16

// fanOut lists the keys for each hash, in parallel, and returns the results that info accepts, in
// any order.
func fanOut[T any](
	ctx context.Context, s *Store, prefix string,
	list func(ctx context.Context, prefix string) ([]T, error), info func(T) (checkpoint.ObjectInfo, bool),
) (found []checkpoint.ObjectInfo, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
	)
	for _, keyPrefix := range s.keys.prefixes(prefix) {
		s.listAtOnce <- struct{}{}
		wait.Go(func() {
			defer func() { <-s.listAtOnce }()
			items, failed := list(ctx, keyPrefix)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = cmp.Or(err, failure(ctx, failed)) // the first one; the others are canceled
				cancel()
			}
			for _, item := range items {
				if o, ok := info(item); ok {
					found = append(found, o)
				}
			}
		})
	}
	wait.Wait()
	return found, err
}

// listObjects returns the objects whose keys begin with prefix.
func (s *Store) listObjects(ctx context.Context, prefix string) (all []types.Object, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
	for {
		out, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, o := range out.Contents {
			if o.Key, err = decodeKey(o.Key, out.EncodingType); err != nil {
				return nil, err
			}
			all = append(all, o)
		}
		if !aws.ToBool(out.IsTruncated) {
			return all, nil
		}
		before := aws.ToString(in.ContinuationToken)
		in.ContinuationToken = out.NextContinuationToken
		if aws.ToString(in.ContinuationToken) == before { // also both empty
			return nil, errListing
		}
	}
}

// listUploads returns the multipart uploads whose keys begin with prefix.
func (s *Store) listUploads(ctx context.Context, prefix string) (all []types.MultipartUpload, err error) {
	in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl}
	for {
		out, err := s.client.ListMultipartUploads(ctx, in)
		if isNoSuchUpload(err) { // from servers that have no multipart upload at all
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for _, u := range out.Uploads {
			if u.Key, err = decodeKey(u.Key, out.EncodingType); err != nil {
				return nil, err
			}
			all = append(all, u)
		}
		if !aws.ToBool(out.IsTruncated) {
			return all, nil
		}
		keyBefore, idBefore := aws.ToString(in.KeyMarker), aws.ToString(in.UploadIdMarker)
		if in.KeyMarker, err = decodeKey(out.NextKeyMarker, out.EncodingType); err != nil {
			return nil, err
		}
		in.UploadIdMarker = out.NextUploadIdMarker
		if aws.ToString(in.KeyMarker) == keyBefore && aws.ToString(in.UploadIdMarker) == idBefore {
			return nil, errListing
		}
	}
}

// errListing is returned for a listing that does not end.
var errListing = fmt.Errorf("the listing is incomplete and has no next page: %w", ErrUnavailable)

// decodeKey decodes a key of a listing. The encoding is asked for because XML cannot hold all
// bytes that keys of other programs may have.
func decodeKey(key *string, encoding types.EncodingType) (*string, error) {
	if encoding != types.EncodingTypeUrl || key == nil {
		return key, nil
	}
	decoded, err := url.QueryUnescape(*key)
	if err != nil {
		return nil, errors.Join(errListing, errors.New("a key is not encoded as the server claims"))
	}
	return &decoded, nil
}
