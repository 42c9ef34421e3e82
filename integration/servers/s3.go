package servers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
)

// The credentials of the S3 server. They are no secret: the server listens on loopback.
const (
	S3AccessKey = "weir"
	S3SecretKey = "weir-integration"
	S3Region    = "us-east-1"
)

// S3 is a versitygw server on a directory: each bucket is a directory, each object a file.
// The server does not call fsync, so objects survive SIGKILL and not a power cut.
type S3 struct {
	*Process
	// Endpoint is the URL of the server.
	Endpoint string
	// Data is the directory of the buckets.
	Data string
}

// StartS3 starts an S3 server with its files in dir, which must exist, on a port, or on a free
// one if port is 0. flags are more flags of versitygw, such as --readonly.
func (i Installation) StartS3(ctx context.Context, dir string, port int, flags ...string) (*S3, error) {
	port, err := portOrFree(port)
	if err != nil {
		return nil, err
	}
	s := &S3{Endpoint: "http://" + Local(port), Data: filepath.Join(dir, "buckets")}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, err
	}
	s.Process = &Process{
		name: "the S3 server", log: filepath.Join(dir, "server.log"),
		program: i.Versitygw,
		args:    slices.Concat([]string{"--port", Local(port), "--region", S3Region, "--quiet", "--health", "/health"}, flags, []string{"posix", s.Data}),
		env:     []string{"ROOT_ACCESS_KEY=" + S3AccessKey, "ROOT_SECRET_KEY=" + S3SecretKey},
		ready:   func(ctx context.Context) error { return getOK(ctx, s.Endpoint+"/health") },
	}
	return s, s.Start(ctx)
}

// CreateBucket creates an empty bucket.
func (s *S3) CreateBucket(name string) error { return os.Mkdir(filepath.Join(s.Data, name), 0o755) }

// portOrFree returns port, or a free port if it is 0.
func portOrFree(port int) (int, error) {
	if port != 0 {
		return port, nil
	}
	return FreePort()
}

// getOK returns an error unless a GET request has status 200.
func getOK(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Close = true // leave no connection open
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}
