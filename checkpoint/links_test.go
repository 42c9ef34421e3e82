//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The caller chose the job's folder. If it is a link, NewCoordinator resolves it, and objects
// are written, listed and removed in its target.
func TestJobFolderThatIsALinkIsResolvedOnce(t *testing.T) {
	root, elsewhere, other := t.TempDir(), filepath.Join(t.TempDir(), "big"), t.TempDir()
	require.NoError(t, os.Mkdir(elsewhere, 0o700))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(root, "job")))
	files, err := NewFiles(root)
	require.NoError(t, err)
	r := newRig(t, Options{Storage: storageWithout(t, files)})
	a := r.begin()
	for range 3 {
		r.completeShared(a, 1)
	}
	_, err = NewCoordinator(context.Background(), Options{Job: "big", Storage: storageOn(t, filesIn(t, filepath.Dir(elsewhere)))})
	require.ErrorIs(t, err, ErrLocked, "it is the same folder")

	// The coordinator keeps the first target when the link changes.
	require.NoError(t, os.Remove(filepath.Join(root, "job")))
	require.NoError(t, os.Symlink(other, filepath.Join(root, "job")))
	r.completeShared(a, 1)
	require.Equal(t, []string{
		"job/chk-4/_metadata", "job/completed/" + padded(ID(4)), "job/shared/s1-1-op-0.1",
	}, listedNames(t, r.objects))
	require.Empty(t, diskOf(t, other)["job"])
	require.Len(t, diskOf(t, other), 1)

	// The collector works there too.
	require.NoError(t, os.MkdirAll(filepath.Join(elsewhere, "chk-3"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "chk-3", "1-op-0"), nil, 0o600))
	orphans, err := r.Collect(context.Background(), false)
	require.NoError(t, err)
	require.Len(t, orphans, 1)
	require.NoDirExists(t, filepath.Join(elsewhere, "chk-3"))
	a.End()
	require.NoError(t, r.Discard(context.Background()))
	require.Empty(t, listedNames(t, r.objects))
	require.NoError(t, r.Close())
	require.DirExists(t, elsewhere)
}

func filesIn(t *testing.T, path string) *Files {
	t.Helper()
	files, err := NewFiles(path)
	require.NoError(t, err)
	return files
}

// listedNames returns the names of a job's objects except records of attempts.
func listedNames(t *testing.T, objects Objects) (names []string) {
	for _, name := range namesOf(t, objects, "job/") {
		if !strings.HasPrefix(name, "job/"+attemptsFolder) {
			names = append(names, name)
		}
	}
	return names
}

func TestJobFolderThatIsNotADirectoryIsRefused(t *testing.T) {
	for by, replace := range replacements {
		if strings.Contains(by, "directory") {
			continue
		}
		elsewhere := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(elsewhere, []byte("mine"), 0o600))
		root := t.TempDir()
		replace(t, filepath.Join(root, "job"), elsewhere)
		await.End(t, func() {
			_, err := NewCoordinator(context.Background(), Options{Job: "job", Storage: storageOn(t, filesIn(t, root))})
			require.ErrorContains(t, err, `folder "job"`, by)
		})
		require.FileExists(t, elsewhere)
		require.Len(t, diskOf(t, root), 2)
	}
}

// A link that is made after the coordinator was opened is not followed.
func TestLinkInPlaceOfANewJobFolderIsNotFollowed(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	view, err := filesIn(t, root).folder("job")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(other, filepath.Join(root, "job")))
	require.ErrorIs(t, writeObject(context.Background(), view, "job/a", nil), snapshot.ErrNotRegular)
	require.Len(t, diskOf(t, other), 1)
}

func TestNamesOutsideOfTheFolderAreRefused(t *testing.T) {
	ctx := context.Background()
	files := filesOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	putObject(t, files, "jobs/a", "1")
	view, err := files.folder("job")
	require.NoError(t, err)
	putObject(t, view, "job/a", "2")
	require.Equal(t, "2", getObject(t, files, "job/a"))
	for _, name := range []string{"a", "job", "jobs/a", "other/job/a"} {
		_, err := view.Create(ctx, name)
		require.ErrorIs(t, err, snapshot.ErrName, name)
		_, err = view.Open(ctx, name)
		require.ErrorIs(t, err, snapshot.ErrName, name)
		_, err = view.List(ctx, name)
		require.ErrorIs(t, err, snapshot.ErrName, name)
		require.ErrorIs(t, view.Remove(ctx, name), snapshot.ErrName, name)
		_, err = view.(Locker).Lock(ctx, name)
		require.ErrorIs(t, err, snapshot.ErrName, name)
	}
	require.Equal(t, []string{"job/a"}, namesOf(t, view, "job/"))
	require.Equal(t, []string{"job/a", "jobs/a"}, namesOf(t, files, ""))
}

func TestNoOperationFollowsALinkBelowTheRoot(t *testing.T) {
	ctx := context.Background()
	for _, inside := range []bool{false, true} {
		root := t.TempDir()
		files := filesIn(t, root)
		elsewhere := t.TempDir()
		if inside {
			elsewhere = filepath.Join(root, "job", "chk-2")
			require.NoError(t, os.MkdirAll(elsewhere, 0o700))
		}
		require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "1-op-0"), []byte("mine"), 0o600))
		require.NoError(t, os.MkdirAll(filepath.Join(root, "job"), 0o700))
		putObject(t, files, "job/chk-3/1-op-0", "before")
		draft, err := files.Create(ctx, "job/chk-3/1-op-1")
		require.NoError(t, err)
		require.NoError(t, os.Rename(filepath.Join(root, "job", "chk-3"), filepath.Join(root, "job", "moved")))
		require.NoError(t, os.Symlink(elsewhere, filepath.Join(root, "job", "chk-3")))
		before := diskOf(t, elsewhere)

		_, err = files.Create(ctx, "job/chk-3/1-op-2")
		require.ErrorIs(t, err, snapshot.ErrNotRegular)
		_, err = files.Create(ctx, "job/chk-3/deeper/1-op-2")
		require.ErrorIs(t, err, snapshot.ErrNotRegular)
		_, err = files.Open(ctx, "job/chk-3/1-op-0")
		require.ErrorIs(t, err, snapshot.ErrNotRegular)
		require.ErrorIs(t, files.Remove(ctx, "job/chk-3/1-op-0"), snapshot.ErrNotRegular)
		_, err = files.List(ctx, "job/chk-3/")
		require.ErrorIs(t, err, snapshot.ErrNotRegular)
		require.ErrorIs(t, files.Link(ctx, "job/chk-3/1-op-0", filepath.Join(t.TempDir(), "second")), snapshot.ErrNotRegular)
		_, err = files.Lock(ctx, "job/chk-3/lock")
		require.ErrorIs(t, err, snapshot.ErrNotRegular)
		require.ErrorIs(t, draft.Commit(), snapshot.ErrNotRegular)
		require.Error(t, draft.Abort())

		require.Equal(t, before, diskOf(t, elsewhere))
		target, err := os.Readlink(filepath.Join(root, "job", "chk-3"))
		require.NoError(t, err)
		require.Equal(t, elsewhere, target)
		require.NoError(t, files.Remove(ctx, "job/chk-3"), "the link itself")
		require.Equal(t, before, diskOf(t, elsewhere))
		require.NoFileExists(t, filepath.Join(root, "job", "chk-3"))
	}
}

// The path is resolved when the directory is opened. Later changes of links and of the working
// directory do not matter.
func TestDirectoryIsResolvedOnceByTheKernelsRules(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{"app/releases/7", "app/releases/data", "app/data", "other"} {
		require.NoError(t, os.MkdirAll(filepath.Join(base, dir), 0o700))
	}
	require.NoError(t, os.Symlink("releases/7", filepath.Join(base, "app", "current")))
	open := map[string]func(string) (Objects, error){
		"files": func(path string) (Objects, error) { return NewFiles(path) },
		"URL": func(path string) (Objects, error) {
			if !strings.HasPrefix(path, "/") {
				path = base + "/" + path
			}
			return OpenObjects(context.Background(), "file://"+(&url.URL{Path: path}).EscapedPath())
		},
	}
	for how, open := range open {
		for path, want := range map[string]string{
			"app/current/../data":             "app/releases/data",
			"app/current/../made/here":        "app/releases/made/here",
			"app/./current//../data/":         "app/releases/data",
			base + "/app/current/../data":     "app/releases/data",
			base + "/app/data/../data/../../": "",
		} {
			t.Chdir(base)
			objects, err := open(path)
			require.NoError(t, err)
			t.Chdir(filepath.Join(base, "other"))
			name := "x" + how
			putObject(t, objects, "job/"+name, how)
			require.FileExists(t, filepath.Join(base, want, "job", name), path)
			require.Equal(t, []string{"job/" + name}, namesOf(t, objects, "job/"))
			require.Equal(t, how, getObject(t, objects, "job/"+name))
			require.NoError(t, objects.Remove(context.Background(), "job/"+name))
			require.NoFileExists(t, filepath.Join(base, want, "job", name))
			require.Len(t, diskOf(t, filepath.Join(base, "other")), 1, "nothing is made in the new working directory")
		}
	}
	t.Chdir(base)
	before := diskOf(t, base)
	for _, path := range []string{"", "missing/../data", "app/releases/7/x/../../data"} {
		_, err := NewFiles(path)
		require.Error(t, err, "%q", path)
	}
	_, err := NewFiles("missing/../data")
	require.ErrorIs(t, err, syscall.ENOENT)
	require.Equal(t, before, diskOf(t, base))
}
