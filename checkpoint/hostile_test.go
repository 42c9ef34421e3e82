package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// hostileNames are names in forged metadata: paths that leave the folder of the checkpoint or
// of the job, and names of objects that belong to others.
var hostileNames = []string{
	"..", "../x", "../../other/chk-1/1-op-0", "../../../precious", "/etc/passwd", "a/../../b", "./x", "x/", "", ".lock", ".hidden",
	`..\..\precious`, `C:\precious`, "file:///precious", "s3://bucket/x", "//host/x", "%2e%2e/x", "a\x00b", strings.Repeat("a", 201),
	"../other/shared/s1-1-op-0.x", "other/chk-1/1-op-0", "../completed/0000000000000000001", "../attempts/0000000000000000001",
}

// forgedCheckpoints returns metadata of checkpoint 7 of attempt 1, with correct checksums, in
// which name is in each place where metadata has a name.
func forgedCheckpoints(name string) map[string]*Checkpoint {
	forge := func(operator string, format string, file snapshot.FileRef, c *Checkpoint) *Checkpoint {
		space := backend.SubtaskKeyspace(0, 8, 8)
		file.Bounds = space.Groups
		handle := &snapshot.Handle{Keyspace: space, Format: format, Files: []snapshot.FileRef{file}}
		c.ID, c.Attempt, c.Triggered = 7, 1, time.Unix(1, 0)
		c.Operators = []Operator{{Name: operator, Parts: []Part{{Handle: handle}}}}
		return c
	}
	packed := forge("op", "", snapshot.FileRef{Name: "1-op-0", Size: 1}, &Checkpoint{Job: "job", Packs: []Pack{{Name: name, Bytes: 1}}})
	packed.Operators[0].Parts[0].Packed = map[string]Place{"1-op-0": {Pack: name}}
	inline := forge("op", "", snapshot.FileRef{Name: name, Size: 1}, &Checkpoint{Job: "job"})
	inline.Operators[0].Parts[0].Inline = map[string][]byte{name: {1}}
	return map[string]*Checkpoint{
		"job":         forge("op", "", snapshot.FileRef{Name: "1-op-0", Size: 1}, &Checkpoint{Job: name}),
		"operator":    forge(name, "", snapshot.FileRef{Name: "1-op-0", Size: 1}, &Checkpoint{Job: "job"}),
		"file":        forge("op", "", snapshot.FileRef{Name: name, Size: 1}, &Checkpoint{Job: "job"}),
		"native file": forge("op", "model", snapshot.FileRef{Name: name, Size: 1}, &Checkpoint{Job: "job"}),
		"shared file": forge("op", "model", snapshot.FileRef{Name: name, Size: 1, Shared: true}, &Checkpoint{Job: "job"}),
		"inline file": inline,
		"pack":        packed,
	}
}

// storeWithNeighbours is a directory with the checkpoints of a job, of other jobs beside it, and
// files of somebody else. Nothing but the job's folder may change.
type storeWithNeighbours struct {
	top, files *Files            // the whole disk, and the storage in it
	other      map[string]string // the content of the files outside the job's folder
}

func newStoreWithNeighbours(t *testing.T) *storeWithNeighbours {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	s := new(storeWithNeighbours)
	var err error
	s.top, err = FilesOn(mem, "top")
	require.NoError(t, err)
	s.files, err = FilesOn(mem, "top/base/root")
	require.NoError(t, err)
	for _, job := range []string{"job2", "jo", "other"} {
		r := newRig(t, Options{Job: job, Storage: s.storage(t)})
		r.complete(r.begin(), job)
		require.NoError(t, r.Close())
	}
	for _, name := range []string{"precious", "base/precious", "base/root/precious", "base/root/job-2/chk-7/1-op-0", "base/x", "base/root/x"} {
		putObject(t, s.top, name, name)
	}
	s.other = s.others(t)
	require.Greater(t, len(s.other), 12)
	return s
}

// storage returns a storage in which every file is an object.
func (s *storeWithNeighbours) storage(t testing.TB) *Storage {
	storage, err := NewStorage(s.files, StorageOptions{InlineBytes: -1})
	require.NoError(t, err)
	return storage
}

// others returns the content of all files outside the job's folder.
func (s *storeWithNeighbours) others(t testing.TB) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, name := range namesOf(t, s.top, "") {
		if !strings.HasPrefix(name, "base/root/job/") {
			found[name] = getObject(t, s.top, name)
		}
	}
	return found
}

// forge writes the metadata of checkpoint 7 and an entry for it.
func (s *storeWithNeighbours) forge(t testing.TB, c *Checkpoint) {
	metadata := built(c)
	putObject(t, s.files, "job/chk-7/_metadata", string(metadata))
	e := Entry{ID: 7, Attempt: 1, Size: int64(len(metadata)), Checksum: xxhash.Sum64(metadata)}
	putObject(t, s.files, "job/completed/"+padded(ID(7)), string(builtEntry(e)))
}

// An attacker who can write metadata cannot make the coordinator read, write or remove anything
// outside the job's folder.
func TestForgedNamesLeadNowhere(t *testing.T) {
	for place := range forgedCheckpoints("") {
		t.Run(place, func(t *testing.T) {
			s := newStoreWithNeighbours(t)
			for _, name := range hostileNames {
				r := newRig(t, Options{Storage: s.storage(t)})
				r.complete(r.begin(), "sound")
				require.NoError(t, r.Close())
				s.forge(t, forgedCheckpoints(name)[place])

				r = newRig(t, Options{Storage: s.storage(t)})
				a := r.begin()
				require.EqualValues(t, 1, a.Restored().ID, "the sound checkpoint: %q", name)
				require.Len(t, a.Skipped(), 1)
				_, err := a.Source().Open(t.Context(), name)
				require.Error(t, err)
				for range 2 { // removes the older checkpoint
					r.complete(a, "later")
				}
				_, err = r.Collect(t.Context(), false)
				require.NoError(t, err)
				a.End()
				require.NoError(t, r.Discard(t.Context()))
				require.NoError(t, r.Close())
				require.Equal(t, s.other, s.others(t), "%q", name)
			}
		})
	}
}

// The metadata is valid, but refers to files of another job by the names that these have there.
func TestForgedMetadataFindsFilesOfItsJobOnly(t *testing.T) {
	s := newStoreWithNeighbours(t)
	var names []string
	objects, err := s.files.List(t.Context(), "other/")
	require.NoError(t, err)
	for _, o := range objects {
		if o.Irregular == nil {
			names = append(names, o.Name)
		}
	}
	require.Contains(t, names, "other/chk-1/1-op-0")
	s.forge(t, forgedCheckpoints("1-op-0")["file"])
	r := newRig(t, Options{Storage: s.storage(t)})
	a := r.begin()
	require.EqualValues(t, 7, a.Restored().ID)
	for _, name := range append(names, "1-op-0", "../../other/chk-1/1-op-0") {
		_, err := a.Source().Open(t.Context(), name)
		require.True(t, errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrName), "%s: %v", name, err)
	}
	a.End()
	require.NoError(t, r.Discard(t.Context()))
	require.NoError(t, r.Close())
	require.Equal(t, s.other, s.others(t))
}

// Entries with the numbers of other checkpoints, or with names that are not numbers, remove
// nothing of others.
func TestForgedEntriesRemoveNothingOfOthers(t *testing.T) {
	s := newStoreWithNeighbours(t)
	for _, name := range []string{
		"job/completed/x", "job/completed/1", "job/completed/" + padded(ID(1)) + "/x", "job/completed/chk-1",
		"job/chk-1/other", "job/chk-01/1-op-0", "job/chk-1x/1-op-0", "job/chk-0/1-op-0", "job/precious", "job/shared/x", "job/shared/s1",
	} {
		putObject(t, s.files, name, string(builtEntry(Entry{ID: 1, Attempt: 1})))
	}
	for id := range ID(3) {
		putObject(t, s.files, "job/completed/"+padded(id+7), string(builtEntry(Entry{ID: 1, Attempt: maxNumber, Size: maxMetadataBytes})))
	}
	kept := namesOf(t, s.files, "job/")
	r := newRig(t, Options{Storage: s.storage(t)})
	_, err := r.Begin(t.Context(), r, oneTask)
	require.ErrorIs(t, err, ErrNotRestorable)
	require.NoError(t, r.Close())
	require.Subset(t, namesOf(t, s.files, "job/"), kept)
	require.Equal(t, s.other, s.others(t))
}

// A name of a job or operator that is a path is refused before anything is made or removed.
func TestNamesOfJobsAndOperatorsAreNoPaths(t *testing.T) {
	s := newStoreWithNeighbours(t)
	for _, name := range hostileNames {
		if snapshot.CheckName(name) == nil {
			continue
		}
		_, err := NewCoordinator(t.Context(), Options{Job: name, Storage: s.storage(t)})
		require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
		_, err = s.files.folder(name)
		require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
		r := newRig(t, Options{Storage: s.storage(t)})
		_, err = r.Begin(t.Context(), r, []Subtasks{{Operator: name, Parallelism: 1}})
		require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
		u := r.begin().Upload(r.trigger(r.attempt), "op", 0)
		_, err = u.Create(t.Context(), name)
		require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
		_, _, err = u.Share(t.Context(), name)
		if name != "" && name != ".." && name != ".lock" && name != ".hidden" { // as suffixes these are harmless
			require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
		}
		require.NoError(t, r.Close())
	}
	require.Equal(t, s.other, s.others(t))
}

// canary is data of a user. No error and no message of a log may contain it.
const canary = "CANARY"

// canaryJob is a job with the canary in a key and in a value.
type canaryJob struct {
	*Coordinator
	texts   strings.Builder // reasons, and errors of calls
	log     bytes.Buffer
	attempt *Attempt
	backend *heapstate.Backend
}

func newCanaryJob(t *testing.T, objects Objects) *canaryJob {
	j := new(canaryJob)
	storage, err := NewStorage(objects, StorageOptions{InlineBytes: 10})
	require.NoError(t, err)
	j.Coordinator, err = NewCoordinator(t.Context(), Options{
		Job: "job", Storage: storage, TolerableFailures: 1000,
		Logger: slog.New(slog.NewTextHandler(&j.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	j.note(err)
	return j
}

// note records the text of an error, and reports whether it is nil.
func (j *canaryJob) note(err error) bool {
	fmt.Fprintf(&j.texts, "%+v\n", err)
	return err == nil
}

// Trigger implements Tasks. So do the next three methods.
func (j *canaryJob) Trigger(trigger Trigger) {
	_, err := j.attempt.Upload(trigger.ID, "op", 0).Snapshot(j.backend, snapshot.Options{Synchronous: true}, []byte(canary))
	j.note(err)
}
func (j *canaryJob) Complete(Stats)             {}
func (j *canaryJob) Aborted(_ ID, reason error) { j.note(reason) }
func (j *canaryJob) Fail(reason error)          { j.note(reason) }

// run restores the job, takes a checkpoint, and closes the coordinator.
func (j *canaryJob) run(t *testing.T) {
	if j.Coordinator == nil {
		return
	}
	var err error
	j.backend, err = heapstate.NewHash(state.Options{Keyspace: backend.SubtaskKeyspace(0, 1, 8)})
	require.NoError(t, err)
	keyed, err := state.NewKeyed(j.backend, codec.String[string]())
	require.NoError(t, err)
	value, err := state.ValueOf(keyed, state.ValueDescriptor[string]{Name: "value", Codec: codec.String[string]()})
	require.NoError(t, err)
	if j.attempt, err = j.Begin(t.Context(), j, oneTask); j.note(err) && j.note(j.attempt.Restore(t.Context(), j.backend, "op")) {
		for i := range 20 {
			require.NoError(t, keyed.SetKey(fmt.Sprint(canary, i)))
			require.NoError(t, value.Set(strings.Repeat(canary, 10)))
		}
		for range 2 {
			_, err = j.attempt.TriggerAndWait(t.Context())
			j.note(err)
		}
		_, err = j.Collect(t.Context(), false)
		j.note(err)
	}
	j.note(j.Close())
	require.NoError(t, j.backend.Close())
}

// requireNoCanary fails the test if an error or a message of the log has user data.
func (j *canaryJob) requireNoCanary(t *testing.T) {
	t.Helper()
	require.NotContains(t, j.texts.String(), canary)
	require.NotContains(t, j.log.String(), canary)
}

func TestErrorsAndLogsOfFailedCheckpointsHaveNoUserData(t *testing.T) {
	reported := 0
	for n, injected := int64(0), true; injected; n++ {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		newCanaryJob(t, filesOn(t, mem)).run(t)
		var calls atomic.Int64
		faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(vfstest.Call) error {
			if calls.Add(1) == n+1 {
				return syscall.EIO
			}
			return nil
		}})
		if files, err := FilesOn(faulty, "root"); err == nil {
			j := newCanaryJob(t, files)
			j.run(t)
			j.requireNoCanary(t)
			if strings.Contains(j.texts.String()+j.log.String(), syscall.EIO.Error()) {
				reported++
			}
		}
		injected = calls.Load() > n
	}
	require.Greater(t, reported, 30, "runs that reported the fault")
}

func TestErrorsAndLogsOfDamagedCheckpointsHaveNoUserData(t *testing.T) {
	sound := unlimited()
	newCanaryJob(t, sound).run(t)
	damaged := 0
	for name, content := range sound.objects {
		for at := 0; at < len(content); at += density.Of(t, 7, 1, 1) {
			objects := unlimited()
			for other, content := range sound.objects {
				putObject(t, objects, other, string(content))
			}
			objects.objects[name] = bytes.Clone(content)
			objects.objects[name][at] ^= 0x20 // a letter changes its case
			j := newCanaryJob(t, objects)
			j.run(t)
			j.requireNoCanary(t)
			if strings.Contains(j.texts.String()+j.log.String(), "corrupt") {
				damaged++
			}
		}
	}
	require.Greater(t, damaged, 50, "runs that found the damage")
}
