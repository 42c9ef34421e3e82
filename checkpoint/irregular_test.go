//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/snapshot"
)

// replacements put something else in the place of a file or directory that was moved elsewhere.
var replacements = map[string]func(t *testing.T, path, elsewhere string){
	"link": func(t *testing.T, path, elsewhere string) {
		require.NoError(t, os.Symlink(elsewhere, path))
	},
	"dangling link": func(t *testing.T, path, elsewhere string) {
		require.NoError(t, os.Symlink(elsewhere+"-gone", path))
	},
	"empty directory": func(t *testing.T, path, _ string) {
		require.NoError(t, os.Mkdir(path, 0o700))
	},
	"directory": func(t *testing.T, path, elsewhere string) {
		require.NoError(t, os.Mkdir(path, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(path, filepath.Base(elsewhere)), nil, 0o600))
	},
	"named pipe": func(t *testing.T, path, _ string) {
		require.NoError(t, syscall.Mkfifo(path, 0o600))
	},
}

// replaceOnDisk moves a file elsewhere and puts something in its place.
func replaceOnDisk(t *testing.T, path, by string) {
	t.Helper()
	elsewhere := filepath.Join(t.TempDir(), filepath.Base(path))
	require.NoError(t, os.Rename(path, elsewhere))
	replacements[by](t, path, elsewhere)
}

// diskOf returns everything below a directory: contents of files, targets of links, types of
// the rest.
func diskOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		content := d.Type().String()
		switch {
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(data)
		case d.Type()&fs.ModeSymlink != 0:
			content, err = os.Readlink(path)
		}
		found[filepath.ToSlash(rel)] = content
		return err
	}))
	return found
}

// requireKept checks that all files of a job except records of attempts are unchanged.
func requireKept(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name, content := range before {
		if !strings.HasPrefix(name, "job/attempts/") {
			require.Contains(t, after, name)
			require.Equal(t, content, after[name], name)
		}
	}
}

// diskRig returns a closed coordinator with two complete checkpoints on a disk. The second one
// does not list shared file 1 of the first.
func diskRig(t *testing.T, retain int) (r *rig, root string) {
	root = t.TempDir()
	files, err := NewFiles(root)
	require.NoError(t, err)
	r = newRig(t, Options{Storage: storageWithout(t, files), Retain: retain})
	a := r.begin()
	r.completeShared(a, 1, 2)
	r.completeShared(a, 2, 3)
	a.End()
	require.NoError(t, r.Close())
	return r, root
}

// reopen opens another coordinator on the disk.
func (r *rig) reopen() *rig {
	o := r.o
	o.Completed = nil
	return newRig(r.t, o)
}

func completedPath(root string, id ID) string {
	return filepath.Join(root, "job", completedFolder, padded(id))
}

func TestEntriesThatAreNotFilesAreNotTakenForAbsent(t *testing.T) {
	for by := range replacements {
		t.Run(by, func(t *testing.T) {
			r, root := diskRig(t, 2)
			for _, id := range []ID{1, 2} {
				replaceOnDisk(t, completedPath(root, id), by)
			}
			before := diskOf(t, root)
			r = r.reopen()
			await.End(t, func() {
				_, err := r.Begin(context.Background(), r, oneTask)
				require.ErrorIs(t, err, ErrNotRestorable)
				require.ErrorIs(t, err, snapshot.ErrNotRegular)
				require.ErrorContains(t, err, by[strings.LastIndex(by, " ")+1:])
				r.runQueued()
			})
			requireKept(t, before, diskOf(t, root))
			require.NoError(t, r.Close())
		})
	}
}

func TestCheckpointWhoseEntryIsNotAFileIsKeptAndReported(t *testing.T) {
	for by := range replacements {
		t.Run(by, func(t *testing.T) {
			r, root := diskRig(t, 2)
			replaceOnDisk(t, completedPath(root, 2), by)
			before := diskOf(t, root)
			r = r.reopen()
			a := r.begin()
			require.Equal(t, ID(1), a.Restored().ID)
			require.Len(t, a.Skipped(), 1)
			require.ErrorIs(t, a.Skipped()[0], snapshot.ErrNotRegular)
			require.Contains(t, r.logged, "checkpoint skipped")
			requireKept(t, before, diskOf(t, root))
			for range 3 {
				r.completeShared(a, 4)
			}
			require.Equal(t, []ID{2, 4, 5}, r.ids())
			after := diskOf(t, root)
			for name := range before {
				if strings.HasPrefix(name, "job/chk-2/") || strings.HasPrefix(name, "job/shared/") {
					require.Contains(t, after, name)
				}
			}
			_, err := r.Collect(context.Background(), true)
			require.ErrorIs(t, err, snapshot.ErrNotRegular)
			require.NoError(t, r.Close())
		})
	}
}

func TestMetadataThatIsNotAFileIsKeptAndReported(t *testing.T) {
	for by := range replacements {
		for _, name := range []string{"chk-2/_metadata", "chk-2"} {
			t.Run(name+" "+by, func(t *testing.T) {
				r, root := diskRig(t, 2)
				replaceOnDisk(t, filepath.Join(root, "job", name), by)
				before := diskOf(t, root)
				r = r.reopen()
				await.End(t, func() {
					a := r.begin()
					require.Equal(t, ID(1), a.Restored().ID)
					require.Len(t, a.Skipped(), 1)
					for range 3 {
						r.completeShared(a, 2, 4)
					}
				})
				after := diskOf(t, root)
				for path := range before {
					if strings.HasPrefix(path, "job/chk-2") || strings.HasPrefix(path, "job/shared/") {
						require.Contains(t, after, path)
					}
				}
				require.Contains(t, after, "job/completed/"+padded(ID(2)))
				require.NoError(t, r.Close())
			})
		}
	}
}

// A complete checkpoint is removed when a new one is complete. It stays if its metadata is not
// a regular file, because then the shared files that it lists are unknown.
func TestOldCheckpointWhoseMetadataIsNotAFileIsKept(t *testing.T) {
	for _, by := range []string{"link", "named pipe", "directory"} {
		r, root := diskRig(t, 2)
		replaceOnDisk(t, filepath.Join(root, "job", "chk-1", metadataName), by)
		before := diskOf(t, root)
		r = r.reopen()
		a := r.begin()
		require.Equal(t, ID(2), a.Restored().ID)
		for range 3 {
			r.completeShared(a, 4)
		}
		require.Contains(t, r.ids(), ID(1))
		after := diskOf(t, root)
		for _, name := range []string{"job/chk-1/_metadata", "job/shared/s1-1-op-0.1", "job/shared/s1-1-op-0.2"} {
			require.Contains(t, after, name)
			require.Equal(t, before[name], after[name])
		}
		require.Contains(t, r.logged, "old checkpoints remain")
		require.NoError(t, r.Close())
	}
}

// A link, pipe or file in the place of a folder is an error. The folder does not count as
// empty.
func TestFoldersThatAreNotDirectoriesAreNotTakenForEmpty(t *testing.T) {
	ways := map[string]func(t *testing.T, path, elsewhere string){
		"file": func(t *testing.T, path, _ string) { require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600)) },
	}
	for by, replace := range replacements {
		if !strings.Contains(by, "directory") {
			ways[by] = replace
		}
	}
	for _, folder := range []string{completedFolder, attemptsFolder} {
		for by, replace := range ways {
			t.Run(folder+" "+by, func(t *testing.T) {
				r, root := diskRig(t, 2)
				path := filepath.Join(root, "job", folder)
				elsewhere := filepath.Join(t.TempDir(), folder)
				require.NoError(t, os.Rename(path, elsewhere))
				replace(t, path, elsewhere)
				before, beforeThere := diskOf(t, root), diskOf(t, elsewhere)
				r = r.reopen()
				await.End(t, func() {
					_, err := r.Begin(context.Background(), r, oneTask)
					require.Error(t, err)
					if by != "file" {
						require.ErrorIs(t, err, snapshot.ErrNotRegular)
					}
					r.runQueued()
				})
				requireKept(t, before, diskOf(t, root))
				require.Equal(t, beforeThere, diskOf(t, elsewhere))
				require.NoError(t, r.Close())
			})
		}
	}
}

// A shared file of the newest checkpoint was moved. The checkpoint cannot be restored, and all
// its files are kept.
func TestSharedFilesThatAreNotFilesAreKept(t *testing.T) {
	for by := range replacements {
		for _, name := range []string{"shared", "shared/s2-1-op-0.3"} {
			if name == "shared" && strings.Contains(by, "directory") {
				continue
			}
			t.Run(name+" "+by, func(t *testing.T) {
				r, root := diskRig(t, 2)
				replaceOnDisk(t, filepath.Join(root, "job", name), by)
				before := diskOf(t, root)
				r = r.reopen()
				a := r.begin()
				await.End(t, func() {
					_, err := a.Source().Open(context.Background(), "s2-1-op-0.3")
					require.ErrorIs(t, err, snapshot.ErrNotRegular)
				})
				requireKept(t, before, diskOf(t, root))
				require.Contains(t, r.logged, "leftovers of earlier attempts remain", "it is reported")
				require.NoError(t, r.Close())
			})
		}
	}
}

// The collector keeps irregular files that have names of orphans.
func TestCollectorKeepsAndReportsIrregularFiles(t *testing.T) {
	for by := range replacements {
		t.Run(by, func(t *testing.T) {
			r, root := diskRig(t, 2)
			job, elsewhere := filepath.Join(root, "job"), filepath.Join(t.TempDir(), "mine")
			require.NoError(t, os.WriteFile(elsewhere, []byte("mine"), 0o600))
			require.NoError(t, os.MkdirAll(filepath.Join(job, "chk-9"), 0o700))
			for _, name := range []string{"chk-9/1-op-0", "chk-9/_metadata", "chk-8", "shared/s9-1-op-0.1", "attempts/" + padded(ID(9)), "attempts/.x.01234567.tmp"} {
				replacements[by](t, filepath.Join(job, name), elsewhere)
			}
			require.NoError(t, os.WriteFile(filepath.Join(job, "chk-9/1-op-1"), nil, 0o600))
			before := diskOf(t, root)
			delete(before, "job/chk-9/1-op-1")
			r = r.reopen()
			a := r.begin()
			require.Greater(t, a.ID(), AttemptID(9))
			require.Greater(t, r.trigger(a), ID(9))
			after := diskOf(t, root)
			require.NotContains(t, after, "job/chk-9/1-op-1", "an orphan")
			for name, content := range before {
				if name != "job/attempts/"+padded(ID(1)) {
					require.Contains(t, after, name)
					require.Equal(t, content, after[name], name)
				}
			}
			orphans, err := r.Collect(context.Background(), false)
			require.Empty(t, orphans)
			require.ErrorIs(t, err, snapshot.ErrNotRegular)
			require.NoError(t, r.Close())
		})
	}
}

// Irregular files that have names of a checkpoint's files stay when the checkpoint is retired,
// aborted or discarded, and are reported.
func TestIrregularFilesStayWhenTheirCheckpointIsRemoved(t *testing.T) {
	for by := range replacements {
		t.Run(by, func(t *testing.T) {
			r, root := diskRig(t, 1) // only checkpoint 2 is left
			job, elsewhere := filepath.Join(root, "job"), filepath.Join(t.TempDir(), "mine")
			require.NoError(t, os.WriteFile(elsewhere, []byte("mine"), 0o600))
			planted := []string{"job/chk-2/1-other-0", "job/chk-2/9-op-0", "job/chk-2/.1-op-0.01234567.tmp", "job/chk-4/2-op-0",
				"job/chk-4/_metadata", "job/shared/s4-2-op-0.7", "job/completed/" + padded(ID(1))}
			plant := func(names ...string) {
				for _, name := range names {
					require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o700))
					replacements[by](t, filepath.Join(root, name), elsewhere)
				}
			}
			plant(planted[:3]...)
			r = r.reopen()
			a := r.begin()
			require.Contains(t, r.logged, "leftovers of earlier attempts remain")
			r.completeShared(a, 4)
			require.Equal(t, []ID{3}, r.ids())
			require.NotContains(t, r.logged, "old checkpoints remain")

			u := a.Upload(r.trigger(a), "op", 0)
			plant(planted[3:]...)
			u.Decline(errTest)
			r.runQueued()
			a.End()
			require.ErrorIs(t, r.Discard(context.Background()), snapshot.ErrNotRegular)
			require.NoError(t, r.Close())

			require.NoFileExists(t, filepath.Join(job, "chk-2", metadataName))
			require.NoFileExists(t, filepath.Join(job, "chk-3", metadataName))
			after := diskOf(t, root)
			for _, name := range planted {
				require.Contains(t, after, name)
			}
		})
	}
}

// While the job runs, something else takes the place of an object that a complete checkpoint lists. It
// stays when the checkpoint is retired, which removes objects by the names in the metadata.
func TestIrregularFileInPlaceOfAListedObjectStaysAndIsReported(t *testing.T) {
	for by := range replacements {
		for _, name := range []string{"job/shared/s2-1-op-0.3", "job/chk-3/_metadata"} {
			t.Run(name+" "+by, func(t *testing.T) {
				r, root := diskRig(t, 1) // only checkpoint 2 is left
				r = r.reopen()
				a := r.begin()
				r.completeShared(a, 2, 3)
				replaceOnDisk(t, filepath.Join(root, name), by)
				before := diskOf(t, root)
				r.completeShared(a)
				require.Equal(t, []ID{4}, r.ids())
				require.Contains(t, r.logged, "old checkpoints remain")
				after := diskOf(t, root)
				require.Contains(t, after, name)
				require.Equal(t, before[name], after[name])
				require.NotContains(t, after, "job/shared/s1-1-op-0.2", "the others are removed")
				require.NoError(t, r.Close())
			})
		}
	}
}

// Remove removes objects and symbolic links, never their targets.
func TestRemoveRefusesIrregularFilesExceptLinks(t *testing.T) {
	for by := range replacements {
		root, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "mine")
		require.NoError(t, os.WriteFile(elsewhere, []byte("mine"), 0o600))
		files := filesIn(t, root)
		for _, name := range []string{"a", ".b.01234567.tmp"} {
			path := filepath.Join(root, name)
			replacements[by](t, path, elsewhere)
			err := files.Remove(context.Background(), name)
			_, there := os.Lstat(path)
			if strings.Contains(by, "link") {
				require.NoError(t, err, by)
				require.ErrorIs(t, there, fs.ErrNotExist)
			} else {
				require.ErrorIs(t, err, snapshot.ErrNotRegular, by)
				require.NoError(t, there)
			}
		}
		require.FileExists(t, elsewhere)
	}
}

// A missing permission to read an entry or metadata fails Begin. The job does not continue
// without the checkpoint.
func TestCheckpointWithoutReadPermissionFailsBeginAndIsKept(t *testing.T) {
	for _, unreadable := range []string{"job/completed/" + padded(ID(2)), "job/chk-2/_metadata"} {
		objects := &faultyObjects{Objects: unlimited()}
		r := newRig(t, Options{Storage: storageWithout(t, objects), Retain: 2})
		a := r.begin()
		r.completeShared(a, 1)
		r.completeShared(a, 2)
		before := r.names()
		r = r.again()
		objects.fail = func(op, name string) error {
			if op == "open" && name == unreadable {
				return fs.ErrPermission
			}
			return nil
		}
		_, err := r.Begin(context.Background(), r, oneTask)
		require.ErrorIs(t, err, fs.ErrPermission)
		r.runQueued()
		require.Equal(t, before, r.names())
	}
}

func TestCreateBelowAFileLeavesIt(t *testing.T) {
	ctx := context.Background()
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		if _, ok := objects.(*Files); !ok {
			return // objects in memory have no directories
		}
		putObject(t, objects, "job/chk-3", "mine")
		_, err := objects.Create(ctx, "job/chk-3/a")
		require.ErrorIs(t, err, syscall.ENOTDIR)
		require.NoError(t, objects.Remove(ctx, "job/chk-3/a"))
		_, err = objects.Lock(ctx, "job/chk-3/lock")
		require.ErrorIs(t, err, syscall.ENOTDIR)
		require.Equal(t, "mine", getObject(t, objects, "job/chk-3"))
	})
}

// A directory in the place of a file was made by a user. Its content has no owner, so that it
// is never collected.
func TestFilesBelowADirectoryInPlaceOfAFileHaveNoOwner(t *testing.T) {
	for name, ours := range map[string]bool{
		"job/chk-7/1-op-0": true, "job/chk-7/1-op-0/mine": false, "job/shared/s1-1-op-0.1/mine": false,
		"job/completed/0000000000000000001/mine": false, "job/attempts/0000000000000000001/mine": false,
	} {
		_, ok := layout{"job"}.ownerOf(name)
		require.Equal(t, ours, ok, name)
	}
}
