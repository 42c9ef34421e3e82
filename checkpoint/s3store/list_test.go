package s3store

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// putKey writes a key of another program.
func putKey(t *testing.T, s *Store, key string) {
	t.Helper()
	_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: strings.NewReader("x")})
	require.NoError(t, err)
}

func TestForeignKeysAreNotListed(t *testing.T) {
	s := newServer(t).open(t, "p")
	put(t, s, "job/completed/1", []byte("entry"))
	for _, key := range []string{"p/job/completed/", "p/job/", "p/job/completed/a b+c%20", "p/job/completed/ä", "p/job/.hidden/a", "q/job/a"} {
		putKey(t, s, key)
	}
	for _, prefix := range []string{"", "job", "job/", "job/comp", "job/completed/"} {
		objects, err := s.List(t.Context(), prefix)
		require.NoError(t, err)
		require.Equal(t, []checkpoint.ObjectInfo{{Name: "job/completed/1", Size: 5}}, objects, prefix)
	}
}

// page answers a request with a page of a listing.
func page(w http.ResponseWriter, operation, content string) bool {
	if operation == "ListObjectsV2" {
		operation = "ListBucket"
	}
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><%[1]sResult><Name>bucket</Name><Bucket>bucket</Bucket>%[2]s</%[1]sResult>`, operation, content)
	return true
}

func TestListingsHavePages(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	server.on("ListObjectsV2", func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			require.Equal(t, "token 1", r.URL.Query().Get("continuation-token"))
			return page(w, "ListObjectsV2", `<EncodingType>url</EncodingType><Contents><Key>p%2Fjob%2Fa</Key><Size>1</Size></Contents>`+
				`<Contents><Key>p%2Fjob%2Fb</Key><Size>2</Size></Contents>`)
		}
		return page(w, "ListObjectsV2", `<IsTruncated>true</IsTruncated><NextContinuationToken>token 1</NextContinuationToken>`+
			`<Contents><Key>p/job/b</Key><Size>2</Size></Contents>`)
	})
	objects, err := s.List(t.Context(), "job/")
	require.NoError(t, err)
	require.Equal(t, []checkpoint.ObjectInfo{{Name: "job/a", Size: 1}, {Name: "job/b", Size: 2}}, objects)

	server.on("ListMultipartUploads", func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			require.Equal(t, "p/job/b c", r.URL.Query().Get("key-marker"))
			require.Equal(t, "id", r.URL.Query().Get("upload-id-marker"))
			return page(w, "ListMultipartUploads", `<Upload><Key>p/job/a</Key><UploadId>1</UploadId></Upload>`)
		}
		return page(w, "ListMultipartUploads", `<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextKeyMarker>p%2Fjob%2Fb+c</NextKeyMarker>`+
			`<NextUploadIdMarker>id</NextUploadIdMarker><Upload><Key>p%2Fjob%2Fa</Key><UploadId>2/x</UploadId></Upload>`)
	})
	uploads, err := s.ListUnfinished(t.Context(), "job/")
	require.NoError(t, err)
	require.Equal(t, []checkpoint.ObjectInfo{
		{Name: "job/a#upload=1", Of: "job/a", Unfinished: true}, {Name: "job/a#upload=2/x", Of: "job/a", Unfinished: true},
	}, uploads)
}

func TestListingWithoutEndIsAnError(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	for _, content := range []string{
		`<IsTruncated>true</IsTruncated>`,
		`<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><NextKeyMarker>t</NextKeyMarker>`,
		`<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextKeyMarker>%zz</NextKeyMarker><Contents><Key>%zz</Key></Contents>`,
	} {
		server.intercept(func(w http.ResponseWriter, r *http.Request) { page(w, operationOf(r), content) })
		_, err := s.List(t.Context(), "job/")
		require.ErrorIs(t, err, ErrUnavailable, content)
		_, err = s.ListUnfinished(t.Context(), "job/")
		require.ErrorIs(t, err, ErrUnavailable, content)
	}
}

func TestOneFailedListingOfAHashFailsTheList(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.Entropy = 1
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	put(t, s, "job/chk-1/1-op-0", nil)
	server.on("ListObjectsV2", func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Query().Get("prefix"), "p/.e9/") {
			refuse(w, http.StatusForbidden, "AccessDenied")
			return true
		}
		return false
	})
	_, err = s.List(t.Context(), "job/")
	require.ErrorContains(t, err, "AccessDenied")
	_, err = s.List(t.Context(), "job/completed/")
	require.NoError(t, err, "no data objects, so no hashes")
}

func TestEmptyAnswerIsNotAnEmptyListing(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	put(t, s, "job/a", nil)
	for failures, want := range map[int]error{1: nil, 9: ErrUnavailable} {
		for operation, list := range map[string]func(context.Context, string) ([]checkpoint.ObjectInfo, error){
			"ListObjectsV2": s.List, "ListMultipartUploads": s.ListUnfinished,
		} {
			server.on(operation, func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n <= failures {
					emptyAnswer(w)
				}
				return n <= failures
			})
			_, err := list(t.Context(), "job/")
			require.ErrorIs(t, err, want, operation)
		}
	}
}
