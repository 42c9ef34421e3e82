package s3store

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weirstate/weir/checkpoint"
)

// Options configures a Store. The zero value is ready for Amazon S3 if the region is in the
// environment or in the shared configuration file.
type Options struct {
	// Region is the region of the bucket, such as eu-central-1. Default: the one of the
	// configuration chain, or us-east-1 if Endpoint is set and the chain has none.
	Region string
	// Endpoint is the URL of an S3-compatible server, such as http://127.0.0.1:9000. Default:
	// Amazon S3.
	Endpoint string
	// PathStyle puts the bucket into the path of requests instead of the host name. Most
	// S3-compatible servers need it. Default false.
	PathStyle bool
	// Checksum selects the checksums of requests and responses. Default: the setting of the
	// configuration chain, which is ChecksumWhenSupported unless changed.
	Checksum Checksum
	// SingleWriter permits a server that ignores If-None-Match. Commit then asks whether the
	// object exists before it writes, and two processes that commit the same name at the same
	// time may both succeed. Set it only if nothing but one process writes to the job's folder.
	// Default false: Open returns ErrConditional for such a server.
	SingleWriter bool
	// Entropy is the number of hexadecimal digits, 1 or 2, that stand in front of the names of
	// data objects, so that S3 can spread them over its partitions. It is fixed when the prefix
	// is first used. Default 0: the number of the prefix, or none if it is new. See Store for
	// the cost.
	Entropy int
	// PartBytes is the size of a part of a multipart upload, and of a range that is read ahead.
	// An object has at most 10,000 parts. Default 8 MiB; 5 MiB to 1 GiB.
	PartBytes int64
	// PartsInFlight is the number of parts of one object that are sent, or read ahead, at the
	// same time. Default 4; at most 64.
	PartsInFlight int
	// Retries is how often a failed request is repeated. Default 5; at most 100.
	Retries int
	// StallTimeout is the time after which a connection that makes no progress is closed; the
	// request then counts as failed. It has no effect with Config or Client. Default 60 s. A
	// request to a server that accepts connections and never answers fails after
	// (Retries + 1) * StallTimeout and the pauses between the attempts: 6 minutes by default.
	StallTimeout time.Duration
	// OpenTimeout limits Open as a whole, with all its requests and their repetitions, so that a
	// wrong address is noticed early. Later operations have only the limits above. Default 30 s.
	OpenTimeout time.Duration
	// Config replaces the configuration chain, with its credentials and HTTP client. Default:
	// the chain.
	Config *aws.Config
	// Client replaces Config. The options above that are set replace those of the client;
	// its retryer is always replaced. Default: a new client.
	Client *s3.Client

	maxBackoff time.Duration // longest pause between attempts, shortened by tests; default 20 s
}

// Checksum selects the checksums of requests and responses.
type Checksum string

const (
	// ChecksumWhenSupported sends a CRC32 with each write, and verifies responses.
	ChecksumWhenSupported Checksum = "when-supported"
	// ChecksumWhenRequired sends and verifies checksums only where the protocol demands them.
	// Older S3-compatible servers need it.
	ChecksumWhenRequired Checksum = "when-required"
	// ChecksumCRC32 sends a CRC32 with each write.
	ChecksumCRC32 Checksum = "crc32"
	// ChecksumCRC32C sends a CRC32C with each write.
	ChecksumCRC32C Checksum = "crc32c"
	// ChecksumCRC64NVME sends a CRC64NVME with each write.
	ChecksumCRC64NVME Checksum = "crc64nvme"
	// ChecksumSHA256 sends a SHA-256 with each write.
	ChecksumSHA256 Checksum = "sha256"
)

// algorithms maps each Checksum to the algorithm that requests name.
var algorithms = map[Checksum]types.ChecksumAlgorithm{
	"": "", ChecksumWhenSupported: "", ChecksumWhenRequired: "",
	ChecksumCRC32:     types.ChecksumAlgorithmCrc32,
	ChecksumCRC32C:    types.ChecksumAlgorithmCrc32c,
	ChecksumCRC64NVME: types.ChecksumAlgorithmCrc64nvme,
	ChecksumSHA256:    types.ChecksumAlgorithmSha256,
}

const (
	minPartBytes     = 5 << 20 // a limit of the protocol
	maxPartBytes     = 1 << 30
	defaultPartBytes = 8 << 20
	maxParts         = 10_000 // a limit of the protocol

	maxPartsInFlight     = 64
	defaultPartsInFlight = 4

	maxRetries     = 100
	defaultRetries = 5

	maxEntropy          = 2
	defaultStallTimeout = time.Minute
	defaultOpenTimeout  = 30 * time.Second
	defaultMaxBackoff   = 20 * time.Second
)

// complete checks the options and returns them with defaults filled in.
func (o Options) complete() (Options, error) {
	o.PartBytes = cmp.Or(o.PartBytes, defaultPartBytes)
	o.PartsInFlight = cmp.Or(o.PartsInFlight, defaultPartsInFlight)
	o.Retries = cmp.Or(o.Retries, defaultRetries)
	o.StallTimeout = cmp.Or(o.StallTimeout, defaultStallTimeout)
	o.OpenTimeout = cmp.Or(o.OpenTimeout, defaultOpenTimeout)
	o.maxBackoff = cmp.Or(o.maxBackoff, defaultMaxBackoff)
	_, known := algorithms[o.Checksum]
	problem := ""
	switch {
	case o.PartBytes < minPartBytes || o.PartBytes > maxPartBytes:
		problem = fmt.Sprintf("PartBytes is %d, want %d to %d", o.PartBytes, minPartBytes, maxPartBytes)
	case o.PartsInFlight < 1 || o.PartsInFlight > maxPartsInFlight:
		problem = fmt.Sprintf("PartsInFlight is %d, want 1 to %d", o.PartsInFlight, maxPartsInFlight)
	case o.Retries < 1 || o.Retries > maxRetries:
		problem = fmt.Sprintf("Retries is %d, want 1 to %d", o.Retries, maxRetries)
	case o.StallTimeout < 0:
		problem = fmt.Sprintf("StallTimeout is %v, want more than zero", o.StallTimeout)
	case o.OpenTimeout < 0:
		problem = fmt.Sprintf("OpenTimeout is %v, want more than zero", o.OpenTimeout)
	case o.Entropy < 0 || o.Entropy > maxEntropy:
		problem = fmt.Sprintf("Entropy is %d, want 0 to %d", o.Entropy, maxEntropy)
	case !known:
		problem = "Checksum is unknown"
	default:
		problem = checkEndpoint(o.Endpoint)
	}
	if problem != "" {
		return o, fmt.Errorf("s3: %s: %w", problem, checkpoint.ErrInvalidOption)
	}
	return o, nil
}

// checkEndpoint returns the reason why an endpoint cannot be used, or "". The reason does not
// quote the endpoint, which may contain a password.
func checkEndpoint(endpoint string) string {
	if endpoint == "" {
		return ""
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "":
		return "the endpoint is not a URL: want http://host:port or https://host:port"
	case u.User != nil:
		return "the endpoint has a user or password, which are not allowed"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "the endpoint has a query or fragment"
	}
	return ""
}
