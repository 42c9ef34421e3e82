package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs/vfstest"
)

// packingStorage returns a storage that writes files of up to 1000 bytes into packs, and none into
// the metadata.
func packingStorage(t testing.TB, objects Objects) *Storage {
	s, err := NewStorage(objects, StorageOptions{InlineBytes: -1, PackBytes: 1000})
	require.NoError(t, err)
	return s
}

// content returns bytes that differ from file to file.
func content(seed byte, bytes int) []byte {
	b := make([]byte, bytes)
	for i := range b {
		b[i] = seed + byte(i%7)
	}
	return b
}

// put writes and commits a file.
func (r *rig) put(f snapshot.File, content []byte) {
	r.t.Helper()
	for _, piece := range [][]byte{content[:len(content)/2], content[len(content)/2:]} {
		n, err := f.Write(piece)
		require.NoError(r.t, err)
		require.Equal(r.t, len(piece), n)
	}
	require.NoError(r.t, f.Commit())
	require.NoError(r.t, f.Abort(), "it has no effect")
}

// putPart writes one own file and shared files of the given sizes, and returns their handle.
func (r *rig) putPart(u *Upload, own int, shared ...int) *snapshot.Handle {
	r.t.Helper()
	space := nativeSpace(u)
	h := &snapshot.Handle{Keyspace: space, Format: "native"}
	f, err := u.Create(u.Context(), u.Name())
	require.NoError(r.t, err)
	r.put(f, content(byte(u.at.subtask), own))
	h.Files = append(h.Files, snapshot.FileRef{Name: u.Name(), Size: int64(own), Bounds: space.Groups})
	for i, bytes := range shared {
		f, ref, err := u.Share(u.Context(), fmt.Sprint(i))
		require.NoError(r.t, err)
		r.put(f, content(byte(100+u.at.subtask+10*i), bytes))
		ref.Identity, ref.Size, ref.Bounds = snapshot.Identity{byte(i + 1), byte(u.at.subtask)}, int64(bytes), space.Groups
		h.Files = append(h.Files, ref)
	}
	return h
}

// requireFile checks the content of a file of the restored checkpoint.
func requireFile(t testing.TB, a *Attempt, name string, want []byte) {
	t.Helper()
	o, err := a.Source().Open(context.Background(), name)
	require.NoError(t, err)
	size, err := o.Size()
	require.NoError(t, err)
	require.EqualValues(t, len(want), size)
	got, err := io.ReadAll(io.NewSectionReader(o, 0, size+100))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, o.Close())
}

func TestSmallFilesOfAllSubtasksAreInTwoPacks(t *testing.T) {
	r := newRig(t, Options{Storage: packingStorage(t, unlimited())})
	operators := []Subtasks{{"op", 8}, {"pack1", 1}}
	a := r.begin(operators...)
	id := r.trigger(a)
	for i := range 8 {
		u := a.Upload(id, "op", i)
		require.NoError(t, u.Acknowledge(r.putPart(u, 100+i, 1000, 0, 17), nil))
	}
	u := a.Upload(id, "pack1", 0)
	require.NoError(t, u.Acknowledge(r.putPart(u, 1001, 1001, 3), nil))
	r.requireEvents("trigger 1 on 0", "complete 1")
	require.Equal(t, []string{
		"job/chk-1/1-pack0", "job/chk-1/1-pack1-0", "job/chk-1/_metadata", "job/completed/" + padded(id),
		"job/shared/s1-1-pack0", "job/shared/s1-1-pack1-0.0",
	}, r.names())

	r = r.again()
	a = r.begin(operators...)
	for i := range 8 {
		requireFile(t, a, fmt.Sprintf("1-op-%d", i), content(byte(i), 100+i))
		for k, bytes := range []int{1000, 0, 17} {
			requireFile(t, a, fmt.Sprintf("s1-1-op-%d.%d", i, k), content(byte(100+i+10*k), bytes))
		}
	}
	requireFile(t, a, "1-pack1-0", content(0, 1001))
	requireFile(t, a, "s1-1-pack1-0.0", content(100, 1001))
	requireFile(t, a, "s1-1-pack1-0.1", content(110, 3))
	for _, pack := range []string{"1-pack0", "s1-1-pack0"} {
		_, err := a.Source().Open(context.Background(), pack)
		require.ErrorIs(t, err, fs.ErrNotExist, "a pack is not a file")
	}
	for i := range 2 { // the packs are removed with the checkpoints
		id := r.trigger(a)
		for _, s := range operators {
			for k := range s.Parallelism {
				u := a.Upload(id, s.Operator, k)
				require.NoError(t, u.Acknowledge(r.putPart(u, 10+i), nil))
			}
		}
		r.runQueued()
		require.Equal(t, []string{
			fmt.Sprintf("job/chk-%d/2-pack0", id), r.layout.metadata(id), "job/completed/" + padded(id),
		}, r.names())
	}
}

// The base is of another process. The files of its pack are not written again.
func TestNextProcessRefersToFilesInPacks(t *testing.T) {
	r := newRig(t, Options{Storage: packingStorage(t, unlimited())})
	r.completeShared(r.begin(), 1, 2)
	r, a := r.restart()
	r.completeShared(a, 1, 2)
	require.Zero(t, r.stats.NewBytes)
	require.Equal(t, int64(203), r.stats.Bytes)
	r.requireShared("s1-1-pack0")
	a = r.begin()
	requireFile(t, a, "s1-1-op-0.2", make([]byte, 102))
}

// A pack stays while a complete checkpoint lists one of its files. Once the base lists less than
// half of it, the next checkpoint writes the rest again.
func TestPackIsRemovedWhenLittleOfItIsLeft(t *testing.T) {
	r := newRig(t, Options{Storage: packingStorage(t, unlimited())})
	a := r.begin()
	r.completeShared(a, 1, 2, 3, 4)
	r.completeShared(a, 3, 4)
	r.requireShared("s1-1-pack0")
	require.Zero(t, r.stats.NewBytes, "all were confirmed")
	r.completeShared(a, 3, 5)
	r.requireShared("s1-1-pack0", "s3-1-pack0")
	require.Contains(t, r.confirmed.byIdentity, snapshot.Identity{5})
	require.NotContains(t, r.confirmed.byIdentity, snapshot.Identity{3}, "103 of 410 bytes are listed")
	r.completeShared(a, 3, 5)
	r.requireShared("s3-1-pack0", "s4-1-pack0")
	require.Equal(t, int64(103), r.stats.NewBytes)
	r.completeShared(a, 3, 5)
	r.requireShared("s3-1-pack0", "s4-1-pack0")
	require.Zero(t, r.stats.NewBytes)
}

// Half of a pack is enough, and a file that two subtasks list counts once.
func TestExactlyHalfOfAPackIsKept(t *testing.T) {
	pack := "s1-1-pack0"
	ref := func(name string) snapshot.FileRef {
		return snapshot.FileRef{Name: name, Size: 100, Shared: true, Identity: snapshot.Identity{name[len(name)-1]}}
	}
	for bytes, kept := range map[int64]bool{200: true, 201: false} {
		part := Part{Handle: &snapshot.Handle{Files: []snapshot.FileRef{ref("s1-1-op-0.1")}}, Packed: map[string]Place{"s1-1-op-0.1": {pack, 0}}}
		c := &Checkpoint{Packs: []Pack{{pack, bytes}}, Operators: []Operator{{"op", []Part{part, part}}}}
		require.Len(t, c.confirmedFiles().byIdentity, map[bool]int{true: 1}[kept], "%d", bytes)
	}
}

func TestLargePackIsCut(t *testing.T) {
	storage := packingStorage(t, unlimited())
	storage.packCutBytes = 250
	r := newRig(t, Options{Storage: storage, Retain: 2})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	require.NoError(t, u.Acknowledge(r.putPart(u, 100, 150, 1, 249, 251, 1000, 10), nil))
	r.requireEvents("trigger 1 on 0", "complete 1")
	r.requireShared("s1-1-pack0", "s1-1-pack1", "s1-1-pack2", "s1-1-pack3", "s1-1-pack4")
	a = r.begin()
	for i, bytes := range []int{150, 1, 249, 251, 1000, 10} {
		requireFile(t, a, fmt.Sprint("s1-1-op-0.", i), content(byte(100+10*i), bytes))
	}
	r.completeShared(a) // without files
	a.End()
	require.NoError(t, r.Discard(context.Background()))
	require.Empty(t, r.names())
}

// hookedObjects call before with the step and the name before objects are created, written,
// committed and aborted. An error of before is the result.
type hookedObjects struct {
	Objects
	before func(step, name string) error
	open   int // files that were neither committed nor aborted
}

func (h *hookedObjects) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := h.before("create", name); err != nil {
		return nil, err
	}
	f, err := h.Objects.Create(context.WithoutCancel(ctx), name)
	if err == nil {
		h.open++
	}
	return &hookedPack{f, h, name, false}, err
}

type hookedPack struct {
	snapshot.File
	h     *hookedObjects
	name  string
	ended bool
}

func (f *hookedPack) end() {
	if !f.ended {
		f.ended = true
		f.h.open--
	}
}

func (f *hookedPack) Abort() error {
	f.end()
	return f.File.Abort()
}

func (f *hookedPack) Write(b []byte) (int, error) {
	if err := f.h.before("write", f.name); err != nil {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, err
	}
	return f.File.Write(b)
}

func (f *hookedPack) Commit() error {
	err := f.h.before("commit", f.name)
	if err == nil {
		err = f.File.Commit()
	}
	if err == nil {
		f.end()
	}
	return err
}

// The checkpoint is declined at each step of its packs, or the step fails: nothing is left, and the
// next checkpoint completes. packCutBytes makes a pack end before the last acknowledgement.
func TestNothingIsLeftOfPacksWhenTheirCheckpointFailsAtAnyStep(t *testing.T) {
	for _, way := range []string{"declined", "fails"} {
		for at := 0; ; at++ {
			mem := vfstest.NewMem(vfstest.MemOptions{})
			steps, stepped := 0, ""
			var decline func()
			objects := &hookedObjects{Objects: filesOn(t, mem), before: func(step, name string) error {
				if !strings.Contains(name, "-pack") {
					return nil
				}
				if steps++; steps != at+1 {
					return nil
				}
				if stepped = step; way == "fails" {
					return errTest
				}
				decline()
				return nil
			}}
			storage := packingStorage(t, objects)
			storage.packCutBytes = 300
			r := newRig(t, Options{Storage: storage, TolerableFailures: 9})
			a := r.begin(Subtasks{"op", 2})
			id := r.trigger(a)
			one, two := a.Upload(id, "op", 0), a.Upload(id, "op", 1)
			decline = func() { r.Coordinator.mu.Lock(); r.abort(r.find(id), errTest, true); r.Coordinator.mu.Unlock() }
			err := func() error {
				for _, u := range []*Upload{one, two} {
					h := handleOf(u, u.Name(), 200)
					f, err := u.Create(u.Context(), u.Name())
					if err == nil {
						_, err = f.Write(make([]byte, 200))
					}
					if err == nil {
						err = f.Commit()
					}
					if err != nil {
						u.Decline(err)
						return errors.Join(err, f.Abort())
					}
					if err := u.Acknowledge(h, nil); err != nil {
						return err
					}
				}
				r.runQueued()
				return nil
			}()
			r.runQueued()
			if stepped == "" {
				require.NoError(t, err)
				require.Equal(t, 6, at, "two packs of three steps")
				r.requireEvents("trigger 1 on 0", "complete 1")
				break
			}
			r.requireEvents("trigger 1 on 0", "aborted 1")
			r.requireReason(errTest)
			require.Zero(t, objects.open, "%s at step %d, %s", way, at, stepped)
			listed, err := objects.List(context.Background(), "")
			require.NoError(t, err)
			for _, o := range listed {
				owner, ok := r.layout.ownerOf(o.nameOf())
				require.False(t, ok && owner.id > 0, "%s at step %d, %s: %+v", way, at, stepped, o)
			}
			r.completeTwo(a)
		}
	}
}

// A subtask whose write to a pack failed tries again, and acknowledges. The pack has bytes that belong
// to no file, so the checkpoint must not complete.
func TestNothingIsAddedToAPackAfterAWriteFailed(t *testing.T) {
	failures := 1
	objects := &hookedObjects{Objects: filesOn(t, vfstest.NewMem(vfstest.MemOptions{})), before: func(step, name string) error {
		if step == "write" && strings.Contains(name, "-pack") && failures > 0 {
			failures--
			return errTest
		}
		return nil
	}}
	r := newRig(t, Options{Storage: packingStorage(t, objects), TolerableFailures: 9})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	f, err := u.Create(u.Context(), u.Name())
	require.NoError(t, err)
	_, err = f.Write(content(1, 100))
	require.NoError(t, err)
	require.ErrorIs(t, f.Commit(), errTest)
	require.ErrorIs(t, f.Commit(), errTest, "the first error stays")
	require.NoError(t, f.Abort())
	require.NoError(t, u.Acknowledge(nil, nil))
	r.requireEvents("trigger 1 on 0", "aborted 1")
	r.requireReason(errTest)
	require.Zero(t, objects.open)
	r.completeWith(a, 1, 10)
}

// Some stores return a file that is not usable together with the error of Create.
func TestPackThatCannotBeCreatedIsNotAborted(t *testing.T) {
	store := &halfCreated{countedStore{Objects: unlimited()}}
	r := newRig(t, Options{Storage: packingStorage(t, store), TolerableFailures: 9})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	f, err := u.Create(u.Context(), u.Name())
	require.NoError(t, err)
	_, err = f.Write([]byte("content"))
	require.NoError(t, err)
	require.ErrorIs(t, f.Commit(), errTest)
	u.Decline(errTest)
	r.requireEvents("trigger 1 on 0", "aborted 1")
	require.NoError(t, r.Close())
}

// halfCreated is a store that returns a file whose methods panic with the error of Create for packs.
type halfCreated struct{ countedStore }

func (s *halfCreated) Create(ctx context.Context, name string) (snapshot.File, error) {
	if strings.Contains(name, "-pack") {
		return countedFile{}, errTest
	}
	return s.countedStore.Create(ctx, name)
}

// completeTwo takes a checkpoint of a job with two subtasks.
func (r *rig) completeTwo(a *Attempt) {
	r.t.Helper()
	id := r.trigger(a)
	for i := range 2 {
		u := a.Upload(id, "op", i)
		require.NoError(r.t, u.Acknowledge(r.putPart(u, 10, 20), nil))
	}
	r.runQueued()
	require.Equal(r.t, id, r.stats.ID)
}

// The commit of a pack hangs. After the end of the attempt Run no longer enforces the timeout, but the
// checkpoint ends all the same.
func TestTimeoutEndsTheCommitOfAPack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Storage: packingStorage(t, hangingPacks{unlimited()}), Timeout: time.Minute, TolerableFailures: 9})
		a := r.begin()
		u := a.Upload(r.trigger(a), "op", 0)
		require.NoError(t, u.Acknowledge(r.putPart(u, 10), nil))
		a.End()
		r.requireEvents("trigger 1 on 0", "aborted 1")
		r.requireReason(ErrTimeout)
		require.NoError(t, r.Close())
	})
}

// hangingPacks are objects whose packs are committed when the context of Create has ended.
type hangingPacks struct{ Objects }

func (o hangingPacks) Create(ctx context.Context, name string) (snapshot.File, error) {
	f, err := o.Objects.Create(ctx, name)
	if err == nil && strings.Contains(name, "-pack") {
		f = hangingPack{f, ctx}
	}
	return f, err
}

type hangingPack struct {
	snapshot.File
	ctx context.Context
}

func (f hangingPack) Commit() error {
	<-f.ctx.Done()
	return context.Cause(f.ctx)
}

// The metadata cannot be written after the pack.
func TestPackIsRemovedIfTheMetadataCannotBeWritten(t *testing.T) {
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: packingStorage(t, objects), TolerableFailures: 9})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	require.NoError(t, u.Acknowledge(r.putPart(u, 10, 20), nil))
	objects.fail = func(op, name string) error {
		if op == "create" && strings.HasSuffix(name, metadataName) {
			return errTest
		}
		return nil
	}
	r.requireEvents("trigger 1 on 0", "aborted 1")
	require.Empty(t, r.names())
}

// The process dies after the pack is committed and before the metadata is written.
func TestPackOfACrashIsAnOrphan(t *testing.T) {
	objects := unlimited()
	r := newRig(t, Options{Storage: packingStorage(t, objects)})
	a := r.begin()
	r.completeShared(a, 1)
	u := a.Upload(r.trigger(a), "op", 0)
	require.NoError(t, u.Acknowledge(r.putPart(u, 10, 20), nil))
	for _, packs := range r.find(2).packs {
		require.NoError(t, packs.finish())
	}
	require.Equal(t, []string{"s1-1-pack0", "s2-1-pack0"}, r.sharedObjects())
	require.Contains(t, r.names(), "job/chk-2/1-pack0")
	orphans, err := r.Collect(context.Background(), true)
	require.NoError(t, err)
	require.Empty(t, orphans, "its checkpoint is in progress")
	objects.locked = make(map[string]bool) // the process dies
	next := newRig(t, Options{Storage: r.o.Storage})
	a = next.begin()
	require.Equal(t, []string{"s1-1-pack0"}, next.sharedObjects())
	require.NotContains(t, next.names(), "job/chk-2/1-pack0")
	require.Equal(t, ID(3), next.trigger(a), "2 has been used")
}

// A handle must list a packed file as it was written.
func TestHandleWithAnotherPackedFileIsDeclined(t *testing.T) {
	r := newRig(t, Options{Storage: packingStorage(t, unlimited()), TolerableFailures: 9, MaxConcurrent: 9})
	a := r.begin()
	r.completeShared(a, 1)
	for name, change := range map[string]func(h *snapshot.Handle){
		"longer":       func(h *snapshot.Handle) { h.Files[1].Size++ },
		"shorter":      func(h *snapshot.Handle) { h.Files[0].Size-- },
		"not shared":   func(h *snapshot.Handle) { h.Files[1].Shared = false },
		"shared":       func(h *snapshot.Handle) { h.Files[0].Shared = true },
		"the pack":     func(h *snapshot.Handle) { h.Files[1].Name = "s2-1-pack0" },
		"another file": func(h *snapshot.Handle) { h.Files[1].Name = "s1-1-op-0.1" },
	} {
		u := a.Upload(r.trigger(a), "op", 0)
		h := r.putPart(u, 10, 20)
		change(h)
		require.Error(t, u.Acknowledge(h, nil), name)
		r.runQueued()
		require.Error(t, u.Context().Err(), "%s: the checkpoint is declined", name)
	}
	r.requireShared("s1-1-pack0")
}

// Each read of an object may be a request, so a file in a pack is read once, whatever the pieces. A
// read that failed is tried again.
func TestFileInAPackIsReadOnce(t *testing.T) {
	store := &countedReads{Objects: unlimited()}
	r := newRig(t, Options{Storage: packingStorage(t, store)})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	require.NoError(t, u.Acknowledge(r.putPart(u, 10, 20, 900), nil))
	r.runQueued()
	a = r.begin()
	o, err := a.Source().Open(t.Context(), "s1-1-op-0.1")
	require.NoError(t, err)
	size, err := o.Size()
	require.NoError(t, err)
	store.reads, store.fail = 0, errTest
	_, err = o.ReadAt(make([]byte, 10), 0)
	require.ErrorIs(t, err, errTest)
	store.fail = nil
	got, err := io.ReadAll(iotest.OneByteReader(io.NewSectionReader(o, 0, size)))
	require.NoError(t, err)
	require.Equal(t, content(110, 900), got)
	require.Equal(t, 2, store.reads)
	n, err := o.ReadAt(make([]byte, 10), size-3)
	require.Equal(t, 3, n)
	require.Equal(t, io.EOF, err)
	require.NoError(t, o.Close())
}

// countedReads are objects that count reads of opened ones.
type countedReads struct {
	Objects
	reads int
	fail  error
}

func (s *countedReads) Open(ctx context.Context, name string) (snapshot.Object, error) {
	o, err := s.Objects.Open(ctx, name)
	return countedObject{o, s}, err
}

type countedObject struct {
	snapshot.Object
	store *countedReads
}

func (o countedObject) ReadAt(b []byte, offset int64) (int, error) {
	o.store.reads++
	if o.store.fail != nil {
		return 0, o.store.fail
	}
	return o.Object.ReadAt(b, offset)
}

// The end of a file in a pack is the end for its readers too.
func TestDamagedPackIsAnErrorThatNamesIt(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{Storage: packingStorage(t, unlimited())})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	require.NoError(t, u.Acknowledge(r.putPart(u, 10, 20), nil))
	r.runQueued()
	r.replace("job/shared/s1-1-pack0", func(b []byte) []byte { return b[:15] })
	a = r.begin()
	o, err := a.Source().Open(ctx, "s1-1-op-0.0")
	require.NoError(t, err)
	_, err = o.Size()
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "checkpoint 1:")
	require.ErrorContains(t, err, "s1-1-pack0")
	n, err := o.ReadAt(make([]byte, 20), 0)
	require.Equal(t, 15, n)
	require.ErrorIs(t, err, io.EOF)
	require.ErrorIs(t, a.Source().(snapshot.LinkingSource).Link(ctx, "s1-1-op-0.0", t.TempDir()+"/x"), errors.ErrUnsupported)

	require.NoError(t, r.o.Storage.objects.Remove(ctx, "job/shared/s1-1-pack0"))
	_, err = a.Source().Open(ctx, "s1-1-op-0.0")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "checkpoint 1:")
	require.ErrorContains(t, err, "s1-1-pack0")
}

// proposing are objects that propose a size for files in packs.
type proposing struct {
	Objects
	bytes int64
}

func (p proposing) PackBytes() int64 { return p.bytes }

func TestPackBytesAreThoseOfTheObjectsUnlessSet(t *testing.T) {
	for _, c := range []struct {
		objects   Objects
		set, want int64
	}{
		{unlimited(), 0, 0}, {unlimited(), 77, 77}, {unlimited(), -1, 0},
		{proposing{unlimited(), 1 << 20}, 0, 1 << 20}, {proposing{unlimited(), 1 << 20}, 77, 77},
		{proposing{unlimited(), 1 << 20}, -1, 0}, {proposing{unlimited(), 1 << 40}, 0, 16 << 20},
		{proposing{unlimited(), -1}, 0, 0}, {unlimited(), 16 << 20, 16 << 20},
	} {
		s, err := NewStorage(c.objects, StorageOptions{PackBytes: c.set})
		require.NoError(t, err)
		require.Equal(t, c.want, s.packBytes)
	}
	_, err := NewStorage(unlimited(), StorageOptions{PackBytes: 16<<20 + 1})
	require.ErrorIs(t, err, ErrInvalidOption)
	require.Zero(t, NewMemory(MemoryOptions{}).packBytes)
}

func TestNamesOfPacksAreToldFromNamesOfFiles(t *testing.T) {
	for name, want := range map[string]bool{
		"s7-1-pack0": true, "s7-1-pack12": true, "s7-1-pack4294967295": true,
		"s7-1-pack4294967296": false, "s7-1-pack": false, "s7-1-pack01": false, "s7-1-packs-0.1": false,
		"s7-1-pack1-0.xxx": false, "s7-1-op-0.1": false, "s7-1-pack1.x": false,
	} {
		o, ok := parseSharedName(name)
		require.True(t, ok, name)
		require.Equal(t, owner{id: 7, attempt: 1, shared: true, pack: want}, o, name)
	}
	require.Equal(t, "s7-1-pack3", packName(7, 1, true, 3))
	require.Equal(t, "1-pack3", packName(7, 1, false, 3))
	for name, want := range map[string]bool{"1-pack3": true, "1-pack1-0": false, "01-pack3": false, "0-pack3": false, "1-pack": false, "1-op-0": false, "pack3": false} {
		_, ok := parsePackName(name)
		require.Equal(t, want, ok, name)
	}
}
