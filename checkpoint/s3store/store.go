package s3store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/weirstate/weir/checkpoint"
)

// Store is a checkpoint.Objects in a bucket of Amazon S3 or of an S3-compatible server. The key of
// an object is the prefix, a slash and the name.
//
// Problem: an object must appear under its name complete and once, although the size is not known
// when its first bytes are written, a request may fail after the server has carried it out, and S3
// has no rename and no locks. Memory and requests both cost money.
//
// Idea: an object up to one part is collected in memory and is one request; a larger one is a
// multipart upload, which is invisible until it is completed. The request that makes the object
// visible has the header If-None-Match: *, so the server refuses it if the name is taken. Each
// Create has a random token, stored as metadata of the object. If the server refuses the request, the
// token shows whether the object is our own, from an attempt whose answer was lost.
//
//	Write             Commit                                         requests
//	up to one part    PutObject, If-None-Match: *                    1
//	more              CreateMultipartUpload                          1
//	 part part part   UploadPart, PartsInFlight at the same time     1 per part
//	                  CompleteMultipartUpload, If-None-Match: *      1
//
//	refused (412, or the upload is gone):  HEAD --- our token ------> committed
//	                                          '---- other token ----> fs.ErrExist
//
//	Open     GET of the first part: existence, size, 256 KiB            1
//	ReadAt   in order: the response of Open, then ranges read ahead     1 per part after the first
//	         elsewhere: GET of the range, if the object is unchanged    1
//
// Invariant: an object is never replaced. With Options.SingleWriter this holds for one process: the
// store sends HEAD before the commit instead of the header.
//
// Invariant: the object that a Commit has reported as its own has the token of that Commit.
//
// Invariant: fs.ErrNotExist means that the server has answered NoSuchKey. A missing bucket or a
// server without an answer is another error.
//
// Invariant: after Abort no multipart upload of the object remains, unless the server does not
// answer or the process ends. After Commit an upload without parts may remain, if the answer to the
// first CreateMultipartUpload was lost. Such uploads are listed by ListUnfinished, and the
// coordinator collects them.
//
// Cost: memory for one open object is PartsInFlight+1 parts at most, for writing as for reading,
// and as much as it has bytes if that is less. List costs one request per 1,000 objects, RemoveAll
// one per 1,000 names. With Entropy, a List that may contain data objects costs 16 requests more
// (Entropy 1) or 256 (Entropy 2), which run in parallel. Open costs two requests, and nine for a new
// prefix.
//
// A failed request is repeated after a random pause that grows up to 20 s. The pauses of all
// requests are independent: the quota of the SDK, by which many failures of one client turn off
// repetitions for all its requests, is turned off, since a burst of SlowDown answers would fail
// checkpoints that need only wait. The load is limited by PartsInFlight and by the pauses.
//
// A Store has no lock, so it does not exclude a second coordinator of the same job. A completed
// store in ZooKeeper does, or the operator's scheduler. The fencing of attempts remains: see
// checkpoint.Completed. In a bucket with versions, removed objects remain as old versions until a
// rule of the bucket expires them.
//
// Thread safety: safe for concurrent use.
type Store struct {
	client    *s3.Client
	bucket    string
	keys      keys
	o         Options
	algorithm types.ChecksumAlgorithm // of multipart uploads; empty for none

	parts       sync.Pool   // of *[]byte with the capacity PartBytes
	noBatch     atomic.Bool // the server has no DeleteObjects
	listAtOnce  chan struct{}
	retryPauses aws.RetryerV2
	lastFailure atomic.Pointer[error] // of an attempt of a request, for the error of Open
}

var (
	_ checkpoint.UnfinishedLister = (*Store)(nil)
	_ checkpoint.BatchRemover     = (*Store)(nil)
	_ checkpoint.Packer           = (*Store)(nil)
)

// Open opens the objects in a bucket whose keys begin with prefix and a slash; prefix may be empty.
// The bucket must exist. Open returns ErrConditional if the server would let two writers create the
// same object, checkpoint.ErrInvalidOption for an option out of range or a missing region, and
// checkpoint.ErrURL for a bucket or prefix that is not valid. It returns ErrUnavailable once
// Options.OpenTimeout is over.
//
// The contexts that are passed to Create and Open of the result are used until the file or object is
// closed.
func Open(ctx context.Context, bucket, prefix string, o Options) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := checkPlace(bucket, prefix); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, o.OpenTimeout, errOpenTimeout)
	defer cancel()
	s := &Store{bucket: bucket, o: o, listAtOnce: make(chan struct{}, listsAtOnce)}
	if prefix != "" {
		s.keys.prefix = prefix + "/"
	}
	if s.client, err = s.newClient(limited); err != nil {
		return nil, s.failedOpen(ctx, limited, err)
	}
	if s.client.Options().Region == "" && o.Client == nil {
		return nil, s.failed(ctx, "open", "", errNoRegion)
	}
	s.algorithm = algorithms[o.Checksum]
	if s.algorithm == "" && s.client.Options().RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired {
		s.algorithm = types.ChecksumAlgorithmCrc32 // which the SDK chooses for single requests
	}
	if err := s.openSettings(limited); err != nil {
		return nil, s.failedOpen(ctx, limited, err)
	}
	return s, nil
}

var (
	errOpenTimeout = errors.New("the time for Open is over")
	errNoRegion    = fmt.Errorf("no region: add region=... to the URL or set AWS_REGION: %w", checkpoint.ErrInvalidOption)
)

// failedOpen returns the error of Open. ctx is the context of the caller, and limited the one that also
// ends with OpenTimeout.
func (s *Store) failedOpen(ctx, limited context.Context, err error) error {
	if ctx.Err() == nil && context.Cause(limited) == errOpenTimeout {
		last := "no request was answered"
		if failed := s.lastFailure.Load(); failed != nil {
			last = "the last attempt: " + failure(ctx, *failed).Error()
		}
		err = fmt.Errorf("%s did not answer within %v (the key open-timeout changes that; each request has %d attempts, "+
			"see retries, of up to %v, see stall-timeout); %s: %w",
			s.place(), s.o.OpenTimeout, s.o.Retries+1, s.o.StallTimeout, last, ErrUnavailable)
	}
	return s.failed(limited, "open", "", err)
}

// place names the server, for errors: the host of the endpoint, or Amazon S3 and a region.
func (s *Store) place() string {
	if s.client != nil {
		o := s.client.Options()
		if u, err := url.Parse(aws.ToString(o.BaseEndpoint)); err == nil && u.Host != "" {
			return "the endpoint " + u.Host
		}
		return "S3 in the region " + o.Region
	}
	return "S3"
}

// newClient returns a client for the options.
func (s *Store) newClient(ctx context.Context) (*s3.Client, error) {
	s.retryPauses = s.newRetryer()
	if s.o.Client != nil {
		return s3.New(s.o.Client.Options(), s.configure), nil
	}
	if s.o.Config != nil {
		return s3.NewFromConfig(*s.o.Config, s.configure), nil
	}
	loaded, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(newHTTPClient(s.o.StallTimeout)), config.WithLogger(logging.Nop{}))
	if err != nil { // the text may quote configuration files
		return nil, fmt.Errorf("the configuration of the AWS SDK cannot be read: %w", ErrCredentials)
	}
	return s3.NewFromConfig(loaded, s.configure), nil
}

// configure sets the options of a client.
func (s *Store) configure(c *s3.Options) {
	c.Region = cmp.Or(s.o.Region, c.Region)
	if s.o.Endpoint != "" {
		c.BaseEndpoint = aws.String(s.o.Endpoint)
	}
	if c.BaseEndpoint != nil {
		c.Region = cmp.Or(c.Region, "us-east-1")
	}
	c.UsePathStyle = c.UsePathStyle || s.o.PathStyle
	switch s.o.Checksum {
	case "":
	case ChecksumWhenRequired:
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	default:
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	}
	c.DisableLogOutputChecksumValidationSkipped = true
	c.APIOptions = append(c.APIOptions, ignoreChecksumsOfParts, refuseEmptyAnswers)
	c.Retryer = s.retryPauses
	c.RetryMaxAttempts = 0
}

// newRetryer returns the policy for failed requests: see Store.
func (s *Store) newRetryer() aws.RetryerV2 {
	return retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = s.o.Retries + 1
		r.MaxBackoff = s.o.maxBackoff
		if s.o.maxBackoff < time.Second { // the default pauses a second after SlowDown
			r.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return s.o.maxBackoff, nil })
		}
		r.RateLimiter = ratelimit.None
		r.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(s.noteFailure)}, r.Retryables...)
		r.Retryables = append(r.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{
			"ConditionalRequestConflict": {}, "OperationAborted": {}, // another request for the key is in progress
			"BadDigest": {}, "XAmzContentSHA256Mismatch": {}, "XAmzContentChecksumMismatch": {}, "IncompleteBody": {},
		}}, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if isCut(err) || errors.Is(err, errEmptyAnswer) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})
}

// noteFailure remembers the error of an attempt that was not canceled.
func (s *Store) noteFailure(err error) aws.Ternary {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.lastFailure.Store(&err)
	}
	return aws.UnknownTernary
}

// ignoreChecksumsOfParts adds a step that removes checksums from partial responses. Some servers send
// the checksum of the whole object with a part of it, and the SDK would compare them.
func ignoreChecksumsOfParts(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("weir.ignoreChecksumsOfParts", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if !ok || response.StatusCode != http.StatusPartialContent {
			return out, metadata, err
		}
		if from, to, size, ok := parseRange(response.Header.Get("Content-Range")); ok && from == 0 && to == size-1 {
			return out, metadata, err
		}
		maps.DeleteFunc(response.Header, func(name string, _ []string) bool {
			return strings.HasPrefix(name, "X-Amz-Checksum-")
		})
		return out, metadata, err
	}), middleware.After)
}

// refuseEmptyAnswers adds a step that returns errEmptyAnswer for an answer with the status 200 and
// without its content, so that the request is repeated. S3 sends the status before it has completed
// an upload. If the connection then ends, the SDK reports success.
func refuseEmptyAnswers(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("weir.refuseEmptyAnswers", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err == nil && isEmpty(out.Result) {
			err = errEmptyAnswer
		}
		return out, metadata, err
	}), middleware.Before)
}

// isEmpty reports whether an answer lacks an element that it must have.
func isEmpty(answer any) bool {
	switch a := answer.(type) {
	case *s3.CreateMultipartUploadOutput:
		return aws.ToString(a.UploadId) == ""
	case *s3.CompleteMultipartUploadOutput:
		return a.ETag == nil && a.Key == nil && a.Bucket == nil && a.Location == nil
	case *s3.ListObjectsV2Output:
		return a.Name == nil && a.IsTruncated == nil
	case *s3.ListMultipartUploadsOutput:
		return a.Bucket == nil && a.IsTruncated == nil
	}
	return false
}

// PackBytes implements checkpoint.Packer.
func (s *Store) PackBytes() int64 { return packBytes }

// packBytes is 1 MiB: about the size at which the transfer takes as long as the request.
const packBytes = 1 << 20

// url returns the URL of an object without a query.
func (s *Store) url(name string) string {
	return strings.TrimSuffix(scheme+"://"+s.bucket+"/"+s.keys.prefix+name, "/")
}

// pause waits before the next attempt of a request, and returns the cause if the context ends.
func (s *Store) pause(ctx context.Context, attempt int, reason error) error {
	delay, err := s.retryPauses.RetryDelay(attempt, reason)
	if err != nil {
		return err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
