package integration

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/s3store"
	"github.com/weirstate/weir/integration/servers"
)

// canary is a secret that no error may contain.
const canary = "canary-8d2f61"

// requireTyped requires that an error wraps want, names the URL and has no secret. It must not
// say that an object is missing, unless that is what the test wants.
func requireTyped(t testing.TB, err, want error, name string) {
	t.Helper()
	require.ErrorIs(t, err, want)
	require.ErrorContains(t, err, name)
	require.NotContains(t, err.Error(), canary)
	require.NotContains(t, err.Error(), servers.S3SecretKey)
	if want != fs.ErrNotExist {
		require.NotErrorIs(t, err, fs.ErrNotExist)
	}
}

func TestS3OpenSaysWhatIsWrongWithTheServer(t *testing.T) {
	port, err := servers.FreePort()
	require.NoError(t, err)
	for name, row := range map[string]struct {
		bucket   string
		endpoint string
		env      map[string]string
		want     error
	}{
		"the bucket is missing":      {bucket: "no-such-bucket", want: s3store.ErrBucket},
		"the secret is wrong":        {env: map[string]string{"AWS_SECRET_ACCESS_KEY": canary}, want: fs.ErrPermission},
		"the access key is unknown":  {env: map[string]string{"AWS_ACCESS_KEY_ID": "nobody"}, want: fs.ErrPermission},
		"no server listens":          {endpoint: "http://" + servers.Local(port), want: s3store.ErrUnavailable},
		"there are no credentials":   {env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}, want: s3store.ErrCredentials},
		"the server is not S3":       {endpoint: "http://" + shared.ZooKeeper, want: s3store.ErrUnavailable},
		"the server is another host": {endpoint: shared.S3 + "/health", want: s3store.ErrBucket},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range row.env {
				t.Setenv(key, value)
			}
			bucket, endpoint := servers.Bucket, shared.S3
			if row.bucket != "" {
				bucket = row.bucket
			}
			if row.endpoint != "" {
				endpoint = row.endpoint
			}
			query := url.Values{"endpoint": {endpoint}, "path-style": {"true"}, "retries": {"1"}}
			_, err := checkpoint.OpenObjects(context.Background(), "s3://"+bucket+"/faults?"+query.Encode())
			t.Log(err)
			requireTyped(t, err, row.want, "s3://"+bucket+"/faults")
		})
	}
}

func TestS3ObjectsAreNotMissingWhenTheBucketIs(t *testing.T) {
	ctx := context.Background()
	s := startS3(t)
	objects, err := checkpoint.OpenObjects(ctx, s3At(s.Endpoint, "a"))
	require.NoError(t, err)
	_, err = objects.Open(ctx, "job/chk-1/x")
	requireTyped(t, err, fs.ErrNotExist, "s3://"+servers.Bucket+"/a/job/chk-1/x")

	require.NoError(t, os.RemoveAll(filepath.Join(s.Data, servers.Bucket)))
	_, err = objects.Open(ctx, "job/chk-1/x")
	requireTyped(t, err, s3store.ErrBucket, "s3://"+servers.Bucket+"/a/job/chk-1/x")
	_, err = objects.List(ctx, "job/")
	requireTyped(t, err, s3store.ErrBucket, "s3://"+servers.Bucket+"/a/job")
	err = put(ctx, objects, "job/chk-1/x", 100)
	requireTyped(t, err, s3store.ErrBucket, "s3://"+servers.Bucket+"/a/job/chk-1/x")
}

// put writes an object with random bytes.
func put(ctx context.Context, objects checkpoint.Objects, name string, size int) error {
	file, err := objects.Create(ctx, name)
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := file.Write(randomBytes(size)); err != nil {
		return err
	}
	return file.Commit()
}

// randomBytes returns bytes that do not compress, the same ones in every call.
func randomBytes(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}

func TestS3WithoutPermissionToWriteIsStillRead(t *testing.T) {
	ctx := context.Background()
	dir, url := t.TempDir(), "s3://"+servers.Bucket+"/a"
	port, err := servers.FreePort()
	require.NoError(t, err)
	s, err := installed(t).StartS3(ctx, dir, port)
	require.NoError(t, err)
	require.NoError(t, s.CreateBucket(servers.Bucket))
	objects, err := checkpoint.OpenObjects(ctx, s3At(s.Endpoint, "a"))
	require.NoError(t, err)
	require.NoError(t, put(ctx, objects, "job/x", 100))
	require.NoError(t, s.Stop())

	s, err = installed(t).StartS3(ctx, dir, port, "--readonly")
	require.NoError(t, err)
	stopAtEnd(t, s)
	list, err := objects.List(ctx, "job/")
	require.NoError(t, err)
	require.Len(t, list, 1)
	o, err := objects.Open(ctx, "job/x")
	require.NoError(t, err)
	require.NoError(t, o.Close())
	for _, size := range []int{100, 20 << 20} { // one request, and a multipart upload
		requireTyped(t, put(ctx, objects, "job/y", size), fs.ErrPermission, url+"/job/y")
	}
	requireTyped(t, objects.Remove(ctx, "job/x"), fs.ErrPermission, url+"/job/x")
	// Open writes an object to find out whether the server supports If-None-Match.
	_, err = checkpoint.OpenObjects(ctx, s3At(s.Endpoint, "a"))
	requireTyped(t, err, fs.ErrPermission, url)
}

// The server is killed while parts of an object are on their way. The upload fails, and nothing of
// it is visible or left after the next collection.
func TestS3ServerKilledDuringAnUpload(t *testing.T) {
	ctx := context.Background()
	s := startS3(t)
	objects, err := checkpoint.OpenObjects(ctx, s3At(s.Endpoint, "a")+"&part=5MiB&retries=1")
	require.NoError(t, err)
	require.NoError(t, put(ctx, objects, "job/before", 100))
	file, err := objects.Create(ctx, "job/x")
	require.NoError(t, err)
	part := randomBytes(5 << 20)
	for range 3 {
		_, err = file.Write(part)
		require.NoError(t, err)
	}
	require.NoError(t, s.Kill())
	for range 3 {
		if _, err = file.Write(part); err != nil {
			break
		}
	}
	if err == nil {
		err = file.Commit()
	}
	requireTyped(t, err, s3store.ErrUnavailable, "s3://"+servers.Bucket+"/a/job/x")
	if err := file.Abort(); err != nil { // the server may be gone before it has aborted the upload
		requireTyped(t, err, s3store.ErrUnavailable, "s3://"+servers.Bucket+"/a/job/x")
	}

	require.NoError(t, s.Start(ctx))
	list, err := objects.List(ctx, "")
	require.NoError(t, err)
	require.Len(t, list, 1)
	unfinished, err := objects.(checkpoint.UnfinishedLister).ListUnfinished(ctx, "job/")
	require.NoError(t, err)
	for _, u := range unfinished {
		require.Equal(t, "job/x", u.Of)
		require.NoError(t, objects.Remove(ctx, u.Name))
	}
	require.Empty(t, unfinishedOf(t, objects))
	require.NoError(t, put(ctx, objects, "job/x", 12<<20))
	require.Empty(t, unfinishedOf(t, objects))
	require.Empty(t, filesBelow(t, filepath.Join(s.Data, servers.Bucket, ".sgwtmp", "multipart")), "parts on the server")
}

func unfinishedOf(t testing.TB, objects checkpoint.Objects) []checkpoint.ObjectInfo {
	list, err := objects.(checkpoint.UnfinishedLister).ListUnfinished(context.Background(), "")
	require.NoError(t, err)
	return list
}

// filesBelow returns the regular files below a directory, which may be missing.
func filesBelow(t testing.TB, dir string) (files []string) {
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return files
}
