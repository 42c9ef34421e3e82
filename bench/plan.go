package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// allBackends and allStorages are the values of plan.backend and of plan.storage but
// for none.
var (
	allBackends = []string{"hash", "btree", lsmFull, lsmIncremental}
	allStorages = []string{"memory", "file"}
)

// The backends on disk, by how their checkpoints are taken.
const (
	lsmFull        = "lsm-full"
	lsmIncremental = "lsm-incremental"
)

// plan is one run of the job over the deck: one row of the table.
type plan struct {
	backend string // hash, btree, lsm-full or lsm-incremental
	storage string // none, memory or file
	kind    kind

	deck        deck
	dir         string // for everything that the run writes; empty
	parallelism int
	every       time.Duration // between checkpoints, if there are any
	snapshots   snapshot.Options
}

// kind is what happens to a run.
type kind string

const (
	// uninterrupted takes no checkpoints.
	uninterrupted kind = "uninterrupted"
	// checkpointed takes checkpoints and never needs them.
	checkpointed kind = "checkpointed"
	// killedTwice is killed (SIGKILL), restored in another process, killed
	// again, and restored at a parallelism of one more.
	killedTwice kind = "killed twice"
	// failedTwice is killedTwice for checkpoints in memory, which die with
	// their process: the subtasks fail, all of them, and the process lives.
	failedTwice kind = "failed twice"
)

// processes says what the processes of the run are to do, one after the other.
func (p plan) processes() [][]graphOrder {
	n := p.parallelism
	const first, second = failurePoint(4), failurePoint(6)
	switch p.kind {
	case killedTwice:
		return [][]graphOrder{
			{{Parallelism: n, Failures: []failurePoint{first}, Killed: true}},
			{{Parallelism: n, Failures: []failurePoint{second}, Killed: true}},
			{{Parallelism: n + 1}},
		}
	case failedTwice:
		return [][]graphOrder{{
			{Parallelism: n, Failures: []failurePoint{first, second}},
			{Parallelism: n + 1},
		}}
	default:
		return [][]graphOrder{{{Parallelism: n}}}
	}
}

// lives is how often the job begins or goes on.
func (p plan) lives() int {
	if p.kind == killedTwice || p.kind == failedTwice {
		return 3
	}
	return 1
}

func (p plan) order(graphs []graphOrder) order {
	o := order{Deck: p.deck, Preset: p.preset(), Lines: p.dir, Compression: p.snapshots.Compression, Graphs: graphs}
	if p.kind != uninterrupted {
		o.CheckpointEvery = p.every
	}
	return o
}

// preset is the URL of backend and storage.
func (p plan) preset() string {
	query := url.Values{}
	if p.snapshots.Synchronous {
		query.Set("sync", "true")
	}
	path := filepath.ToSlash(filepath.Join(p.dir, "checkpoints"))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive
	}
	scheme := "fs+file"
	if p.onDisk() {
		scheme = "lsm+file"
		query.Set("dir", filepath.Join(p.dir, "trees"))
		query.Set("incremental", strconv.FormatBool(p.backend == lsmIncremental))
		if p.deck.Keys > 0 {
			query.Set("budget", largeBudget)
		}
	} else if query.Set("index", p.backend); p.storage != "file" {
		return "memory:?" + query.Encode()
	}
	return (&url.URL{Scheme: scheme, Path: path, RawQuery: query.Encode()}).String()
}

// onDisk says whether the backend is a tree; its checkpoints are files.
func (p plan) onDisk() bool { return p.backend == lsmFull || p.backend == lsmIncremental }

// lines are the files with the result.
func (p plan) lines() (paths []string) {
	names := lineFiles
	if p.deck.Keys > 0 {
		names = []string{largeSum}
	}
	for _, name := range names {
		paths = append(paths, filepath.Join(p.dir, name))
	}
	return paths
}

func (p plan) String() string { return fmt.Sprintf("%s, %s, %s", p.backend, p.storage, p.kind) }
