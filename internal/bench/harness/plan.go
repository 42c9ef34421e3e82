package harness

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/flightjob"
	"github.com/weirstate/weir/internal/bench/largejob"
	"github.com/weirstate/weir/internal/query"
	"github.com/weirstate/weir/snapshot"
)

// AllBackends and AllStorages are the valid values of Plan.Backend and Plan.Storage, except
// storage "none".
var (
	AllBackends = []string{"hash", "btree", LSMFull, LSMIncremental, LSMTier}
	AllStorages = []string{"memory", "file"}
)

// The LSM backend is measured with two kinds of checkpoints, and with a hot tier.
const (
	LSMFull        = "lsm-full"        // each checkpoint stores all tables
	LSMIncremental = "lsm-incremental" // each checkpoint stores only new tables
	LSMTier        = "lsm-tier"        // lsm-incremental with a hot tier
)

// Plan is one run of the job over the dataset: one row of the table.
type Plan struct {
	Backend string // one of AllBackends
	Storage string // none, memory or file
	Kind    Kind
	// URL selects backend and storage as weir.Open takes it. Backend and Storage are then only
	// names for the table. The job removes its checkpoints at its end. Default: a URL that follows
	// from Backend and Storage.
	URL string
	// Job is the name of the job, and of the folder of its checkpoints. Default "bench".
	Job string

	Dataset         dataset.Dataset
	Dir             string        // an empty directory for all files of the run
	Parallelism     int           // subtasks of each operator, until the last restore adds one
	CheckpointEvery time.Duration // time between checkpoints; unused by Uninterrupted
	Snapshots       snapshot.Options
}

// Kind defines whether a run takes checkpoints, and how it fails.
type Kind string

const (
	// Uninterrupted takes no checkpoints and does not fail.
	Uninterrupted Kind = "uninterrupted"
	// Checkpointed takes checkpoints and does not fail.
	Checkpointed Kind = "checkpointed"
	// KilledTwice kills the process of the job (SIGKILL), restores the job in a new process,
	// kills that one too, and restores the job with one more subtask.
	KilledTwice Kind = "killed twice"
	// FailedTwice makes all subtasks fail twice, instead of killing the process. It is for
	// checkpoints in memory, which would be lost with the process.
	FailedTwice Kind = "failed twice"
)

// processes returns, for each process of the run, the graphs that it executes.
func (p Plan) processes() [][]graphRequest {
	n := p.Parallelism
	const first, second = failurePoint(4), failurePoint(6)
	switch p.Kind {
	case KilledTwice:
		return [][]graphRequest{
			{{Parallelism: n, Failures: []failurePoint{first}, Killed: true}},
			{{Parallelism: n, Failures: []failurePoint{second}, Killed: true}},
			{{Parallelism: n + 1, Discard: p.URL != ""}},
		}
	case FailedTwice:
		return [][]graphRequest{{
			{Parallelism: n, Failures: []failurePoint{first, second}},
			{Parallelism: n + 1, Discard: p.URL != ""},
		}}
	default:
		return [][]graphRequest{{{Parallelism: n, Discard: p.URL != ""}}}
	}
}

// Starts returns the number of starts of the job: one, plus one after each failure.
func (p Plan) Starts() int {
	if p.Kind == KilledTwice || p.Kind == FailedTwice {
		return 3
	}
	return 1
}

// request returns the request to a process that executes the graphs.
func (p Plan) request(graphs []graphRequest) request {
	o := request{Dataset: p.Dataset, Job: p.job(), Preset: p.preset(), ResultDir: p.Dir, Compression: p.Snapshots.Compression, Graphs: graphs}
	if p.Kind != Uninterrupted {
		o.CheckpointEvery = p.CheckpointEvery
	}
	return o
}

// job returns the name of the job.
func (p Plan) job() string { return cmp.Or(p.Job, jobName) }

// preset returns the URL of the backend and the checkpoint storage, as weir.Open takes it.
func (p Plan) preset() string {
	if p.URL != "" {
		return p.URL
	}
	options := url.Values{}
	if p.Snapshots.Synchronous {
		options.Set("sync", "true")
	}
	path := filepath.ToSlash(filepath.Join(p.Dir, "checkpoints"))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // Windows: C:/dir becomes /C:/dir
	}
	scheme := "fs+file"
	if p.OnDisk() {
		scheme = "lsm+file"
		options.Set("dir", filepath.Join(p.Dir, "trees"))
		options.Set("incremental", strconv.FormatBool(p.Backend != LSMFull))
		options.Set("tier", strconv.FormatBool(p.Backend == LSMTier))
		if p.Dataset.Keys > 0 {
			options.Set("budget", largejob.Budget)
		}
	} else if options.Set("index", p.Backend); p.Storage != "file" {
		return "memory:?" + query.Encode(options)
	}
	return (&url.URL{Scheme: scheme, Path: path, RawQuery: query.Encode(options)}).String()
}

// OnDisk reports whether the backend is on disk. The checkpoints of these backends are always
// files.
func (p Plan) OnDisk() bool { return strings.HasPrefix(p.Backend, "lsm-") }

// resultFiles returns the paths of the files that the sinks of the job write.
func (p Plan) resultFiles() (paths []string) {
	names := flightjob.ResultFiles
	if p.Dataset.Keys > 0 {
		names = []string{largejob.ResultFile}
	}
	for _, name := range names {
		paths = append(paths, filepath.Join(p.Dir, name))
	}
	return paths
}

// String returns backend, storage and kind, separated by commas.
func (p Plan) String() string { return fmt.Sprintf("%s, %s, %s", p.Backend, p.Storage, p.Kind) }
