package harness

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/flightjob"
	"github.com/weirstate/weir/internal/bench/largejob"
	"github.com/weirstate/weir/snapshot"
)

// AllBackends and AllStorages are the values of Plan.Backend and of Plan.Storage, other
// than none.
var (
	AllBackends = []string{"hash", "btree", LSMFull, LSMIncremental}
	AllStorages = []string{"memory", "file"}
)

// The backends on disk, by how their checkpoints are taken.
const (
	LSMFull        = "lsm-full"
	LSMIncremental = "lsm-incremental"
)

// Plan is one run of the job over the dataset: one row of the table.
type Plan struct {
	Backend string // hash, btree, lsm-full or lsm-incremental
	Storage string // none, memory or file
	Kind    Kind

	Dataset         dataset.Dataset
	Dir             string // an empty directory for all files of the run
	Parallelism     int
	CheckpointEvery time.Duration // between checkpoints, if there are any
	Snapshots       snapshot.Options
}

// Kind is the way in which a run is interrupted.
type Kind string

const (
	// Uninterrupted takes no checkpoints.
	Uninterrupted Kind = "uninterrupted"
	// Checkpointed takes checkpoints and never needs them.
	Checkpointed Kind = "checkpointed"
	// KilledTwice is killed (SIGKILL), restored in another process, killed
	// again, and restored at a parallelism of one more.
	KilledTwice Kind = "killed twice"
	// FailedTwice is KilledTwice for checkpoints in memory, which would be lost with
	// the process: all subtasks fail, and the process does not end.
	FailedTwice Kind = "failed twice"
)

// processes returns the graphs that each process of the run is to execute.
func (p Plan) processes() [][]graphRequest {
	n := p.Parallelism
	const first, second = failurePoint(4), failurePoint(6)
	switch p.Kind {
	case KilledTwice:
		return [][]graphRequest{
			{{Parallelism: n, Failures: []failurePoint{first}, Killed: true}},
			{{Parallelism: n, Failures: []failurePoint{second}, Killed: true}},
			{{Parallelism: n + 1}},
		}
	case FailedTwice:
		return [][]graphRequest{{
			{Parallelism: n, Failures: []failurePoint{first, second}},
			{Parallelism: n + 1},
		}}
	default:
		return [][]graphRequest{{{Parallelism: n}}}
	}
}

// Starts returns how often the job starts: once, and again after each failure.
func (p Plan) Starts() int {
	if p.Kind == KilledTwice || p.Kind == FailedTwice {
		return 3
	}
	return 1
}

// request returns the request to a process.
func (p Plan) request(graphs []graphRequest) request {
	o := request{Dataset: p.Dataset, Preset: p.preset(), ResultDir: p.Dir, Compression: p.Snapshots.Compression, Graphs: graphs}
	if p.Kind != Uninterrupted {
		o.CheckpointEvery = p.CheckpointEvery
	}
	return o
}

// preset returns the URL of backend and storage.
func (p Plan) preset() string {
	query := url.Values{}
	if p.Snapshots.Synchronous {
		query.Set("sync", "true")
	}
	path := filepath.ToSlash(filepath.Join(p.Dir, "checkpoints"))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive
	}
	scheme := "fs+file"
	if p.OnDisk() {
		scheme = "lsm+file"
		query.Set("dir", filepath.Join(p.Dir, "trees"))
		query.Set("incremental", strconv.FormatBool(p.Backend == LSMIncremental))
		if p.Dataset.Keys > 0 {
			query.Set("budget", largejob.Budget)
		}
	} else if query.Set("index", p.Backend); p.Storage != "file" {
		return "memory:?" + query.Encode()
	}
	return (&url.URL{Scheme: scheme, Path: path, RawQuery: query.Encode()}).String()
}

// OnDisk reports whether the backend is a tree. Its checkpoints are always files.
func (p Plan) OnDisk() bool { return p.Backend == LSMFull || p.Backend == LSMIncremental }

// resultFiles returns the paths of the files with the result.
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

// String returns backend, storage and kind.
func (p Plan) String() string { return fmt.Sprintf("%s, %s, %s", p.Backend, p.Storage, p.Kind) }
