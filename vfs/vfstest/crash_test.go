package vfstest

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
)

var keepNothing, keepAll = CrashOptions{}, CrashOptions{Keep: 1}

func keepHalf(seed uint64) CrashOptions {
	return CrashOptions{Keep: 0.5, Rand: rand.New(rand.NewPCG(seed, 0))}
}

// tree returns the content of a Mem: file names with contents, directories with "dir".
func tree(t *testing.T, m *Mem) map[string]string {
	t.Helper()
	found := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		names, err := m.List(dir)
		require.NoError(t, err)
		for _, base := range names {
			name := strings.TrimPrefix(dir+"/"+base, "/")
			info, err := m.Stat(name)
			require.NoError(t, err)
			if info.IsDir() {
				found[name] = "dir"
				walk(name)
			} else {
				found[name] = readFile(t, m, name)
			}
		}
	}
	walk("")
	return found
}

// outcomes returns the different trees that crashes with many seeds leave, as printed maps.
func outcomes(t *testing.T, m *Mem) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for seed := range uint64(300) {
		found[fmt.Sprint(tree(t, m.CrashClone(keepHalf(seed))))] = true
	}
	return found
}

func set(trees ...map[string]string) map[string]bool {
	s := map[string]bool{}
	for _, tree := range trees {
		s[fmt.Sprint(tree)] = true
	}
	return s
}

type files = map[string]string

func TestCrashLosesUnsyncedChanges(t *testing.T) {
	for _, test := range []struct {
		name              string
		syncFile, syncDir bool
		nothing           files
	}{
		{"neither synced", false, false, files{}},
		{"data synced, name not", true, false, files{}},
		{"name synced, data not", false, true, files{"a": ""}},
		{"both synced", true, true, files{"a": "content"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := NewMem(MemOptions{})
			f, err := m.Create("a")
			require.NoError(t, err)
			_, err = f.Write([]byte("content"))
			require.NoError(t, err)
			if test.syncFile {
				require.NoError(t, f.Sync())
			}
			if test.syncDir {
				require.NoError(t, m.SyncDir("/"))
			}
			require.Equal(t, test.nothing, tree(t, m.CrashClone(keepNothing)))
			require.Equal(t, files{"a": "content"}, tree(t, m.CrashClone(keepAll)))
		})
	}
}

func TestCrashKeepsTheSyncedPrefix(t *testing.T) {
	m := NewMem(MemOptions{})
	f, err := m.Create("a")
	require.NoError(t, err)
	require.NoError(t, m.SyncDir("/"))
	synced := strings.Repeat("s", 700) // ends inside a block
	for _, part := range []string{synced, strings.Repeat("u", 3000)} {
		_, err = f.Write([]byte(part))
		require.NoError(t, err)
		if part == synced {
			require.NoError(t, f.Sync())
		}
	}
	require.Equal(t, synced, readFile(t, m.CrashClone(keepNothing), "a"))
	for seed := range uint64(100) {
		require.True(t, strings.HasPrefix(readFile(t, m.CrashClone(keepHalf(seed)), "a"), synced))
	}
}

func TestCrashLosesAnySubsetOfBlocksAndTearsTheLast(t *testing.T) {
	m := NewMem(MemOptions{})
	f, err := m.Create("a")
	require.NoError(t, err)
	require.NoError(t, m.SyncDir("/"))
	const blocks, blockBytes = 3, 4
	whole := []byte("aaaabbbbcccc")
	_, err = f.Write(whole)
	require.NoError(t, err)

	subsets, torn, tornWithTail := map[string]bool{}, map[int]bool{}, false
	for seed := range uint64(1000) {
		o := keepHalf(seed)
		o.BlockBytes = blockBytes
		left := []byte(readFile(t, m.CrashClone(o), "a"))
		require.LessOrEqual(t, len(left), len(whole))
		subset, end := "", 0
		for i, b := range left {
			require.True(t, b == 0 || b == whole[i])
			if b != 0 {
				end = i + 1
			}
		}
		for i := range blocks {
			kept := i*blockBytes < end && left[i*blockBytes] != 0
			subset += fmt.Sprint(kept)
			if kept { // only the last block may be incomplete
				to := min((i+1)*blockBytes, end)
				require.NotContains(t, string(left[i*blockBytes:to]), "\x00")
			}
		}
		subsets[subset] = true
		torn[end] = true
		tornWithTail = tornWithTail || end%blockBytes > 0 && end < len(left)
		require.True(t, len(left) == end || len(left) == len(whole))
	}
	require.Len(t, subsets, 1<<blocks)
	require.Len(t, torn, len(whole)+1, "an end at every byte")
	require.True(t, tornWithTail)
}

func TestCrashSeedsReproduce(t *testing.T) {
	m := NewMem(MemOptions{})
	require.NoError(t, m.MkdirAll("d/e"))
	for i := range 20 {
		writeFile(t, m, fmt.Sprintf("d/%d", i), strings.Repeat("x", 2000))
		writeFile(t, m, fmt.Sprintf("d/e/%d", i), strings.Repeat("y", 2000))
		require.NoError(t, m.Rename(fmt.Sprintf("d/%d", i), fmt.Sprintf("d/e/r%d", i)))
	}
	require.NoError(t, m.SyncDir("/"))
	different := map[string]bool{}
	for seed := range uint64(20) {
		a, b := tree(t, m.CrashClone(keepHalf(seed))), tree(t, m.CrashClone(keepHalf(seed)))
		require.Equal(t, a, b)
		different[fmt.Sprint(a)] = true
	}
	require.Greater(t, len(different), 15)
	half := CrashOptions{Keep: 0.5}
	require.Equal(t, tree(t, m.CrashClone(half)), tree(t, m.CrashClone(half)))
}

// Each case begins with the durable state that before has made, and lists all states that a crash
// after change may leave. Files are empty or synced, so no case depends on unsynced data.
func TestCrashDirectoryEntries(t *testing.T) {
	for _, test := range []struct {
		name           string
		before, change func(t *testing.T, m *Mem)
		nothing, all   files
		others         []files // further outcomes
	}{
		{
			name:    "remove",
			before:  func(t *testing.T, m *Mem) { durableFile(t, m, "a") },
			change:  func(t *testing.T, m *Mem) { require.NoError(t, m.Remove("a")) },
			nothing: files{"a": "a"}, all: files{},
		},
		{
			name:    "link",
			before:  func(t *testing.T, m *Mem) { durableFile(t, m, "a") },
			change:  func(t *testing.T, m *Mem) { require.NoError(t, m.Link("a", "b")) },
			nothing: files{"a": "a"}, all: files{"a": "a", "b": "a"},
		},
		{
			name:    "rename never loses the file",
			before:  func(t *testing.T, m *Mem) { durableFile(t, m, "a") },
			change:  func(t *testing.T, m *Mem) { require.NoError(t, m.Rename("a", "b")) },
			nothing: files{"a": "a"}, all: files{"b": "a"},
			others: []files{{"a": "a", "b": "a"}},
		},
		{
			name: "rename over a name leaves the old file or the new",
			before: func(t *testing.T, m *Mem) {
				durableFile(t, m, "a")
				durableFile(t, m, "b")
			},
			change:  func(t *testing.T, m *Mem) { require.NoError(t, m.Rename("a", "b")) },
			nothing: files{"a": "a", "b": "b"}, all: files{"b": "a"},
			others: []files{{"a": "a", "b": "a"}},
		},
		{
			name: "two renames in a row",
			before: func(t *testing.T, m *Mem) {
				durableFile(t, m, "a")
			},
			change: func(t *testing.T, m *Mem) {
				require.NoError(t, m.Rename("a", "b"))
				require.NoError(t, m.Rename("b", "a"))
			},
			nothing: files{"a": "a"}, all: files{"a": "a"},
			others: []files{{"b": "a"}, {"a": "a", "b": "a"}},
		},
		{
			// leveldb#195: CURRENT is renamed, then what it no longer names is removed.
			name: "a remove may survive without the rename before it",
			before: func(t *testing.T, m *Mem) {
				durableFile(t, m, "tmp")
				durableFile(t, m, "CURRENT")
				durableFile(t, m, "old")
			},
			change: func(t *testing.T, m *Mem) {
				require.NoError(t, m.Rename("tmp", "CURRENT"))
				require.NoError(t, m.Remove("old"))
			},
			nothing: files{"tmp": "tmp", "CURRENT": "CURRENT", "old": "old"},
			all:     files{"CURRENT": "tmp"},
			others: []files{
				{"tmp": "tmp", "CURRENT": "CURRENT"},
				{"CURRENT": "tmp", "old": "old"},
				{"tmp": "tmp", "CURRENT": "tmp", "old": "old"},
				{"tmp": "tmp", "CURRENT": "tmp"},
			},
		},
		{
			name:    "rename between directories",
			before:  func(t *testing.T, m *Mem) { durableDirs(t, m); durableFile(t, m, "d/a") },
			change:  func(t *testing.T, m *Mem) { require.NoError(t, m.Rename("d/a", "e/a")) },
			nothing: files{"d": "dir", "e": "dir", "d/a": "d/a"},
			all:     files{"d": "dir", "e": "dir", "e/a": "d/a"},
			others:  []files{{"d": "dir", "e": "dir", "d/a": "d/a", "e/a": "d/a"}},
		},
		{
			name:   "rename between directories, only the source synced",
			before: func(t *testing.T, m *Mem) { durableDirs(t, m); durableFile(t, m, "d/a") },
			change: func(t *testing.T, m *Mem) {
				require.NoError(t, m.Rename("d/a", "e/a"))
				require.NoError(t, m.SyncDir("d"))
			},
			nothing: files{"d": "dir", "e": "dir"},
			all:     files{"d": "dir", "e": "dir", "e/a": "d/a"},
		},
		{
			name:   "rename between directories, the destination synced",
			before: func(t *testing.T, m *Mem) { durableDirs(t, m); durableFile(t, m, "d/a") },
			change: func(t *testing.T, m *Mem) {
				require.NoError(t, m.Rename("d/a", "e/a"))
				require.NoError(t, m.SyncDir("e"))
			},
			nothing: files{"d": "dir", "e": "dir", "d/a": "d/a", "e/a": "d/a"},
			all:     files{"d": "dir", "e": "dir", "e/a": "d/a"},
		},
		{
			name:   "a directory whose name is lost takes its content with it",
			before: func(t *testing.T, m *Mem) {},
			change: func(t *testing.T, m *Mem) {
				require.NoError(t, m.MkdirAll("d"))
				durableFile(t, m, "d/a")
			},
			nothing: files{}, all: files{"d": "dir", "d/a": "d/a"},
		},
		{
			name:   "a removed tree comes back in parts",
			before: func(t *testing.T, m *Mem) { durableDirs(t, m); durableFile(t, m, "d/a") },
			change: func(t *testing.T, m *Mem) {
				require.NoError(t, m.RemoveAll("d"))
			},
			nothing: files{"d": "dir", "e": "dir", "d/a": "d/a"}, all: files{"e": "dir"},
			others: []files{{"d": "dir", "e": "dir"}},
		},
		{
			name:   "removed and made again",
			before: func(t *testing.T, m *Mem) { durableFile(t, m, "a") },
			change: func(t *testing.T, m *Mem) {
				require.NoError(t, m.Remove("a"))
				syncedFile(t, m, "a", "again")
			},
			nothing: files{"a": "a"}, all: files{"a": "again"}, others: []files{{}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := NewMem(MemOptions{})
			test.before(t, m)
			test.change(t, m)
			require.Equal(t, test.nothing, tree(t, m.CrashClone(keepNothing)))
			require.Equal(t, test.all, tree(t, m.CrashClone(keepAll)))
			require.Equal(t, set(append(test.others, test.nothing, test.all)...), outcomes(t, m))
		})
	}
}

func durableDirs(t *testing.T, m *Mem) {
	require.NoError(t, m.MkdirAll("d"))
	require.NoError(t, m.MkdirAll("e"))
	require.NoError(t, m.SyncDir("/"))
}

// syncedFile creates a file with durable content, but without a durable name.
func syncedFile(t *testing.T, m *Mem, name, content string) {
	f, err := m.Create(name)
	require.NoError(t, err)
	_, err = f.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

// durableFile creates a durable file with its name as content.
func durableFile(t *testing.T, m *Mem, name string) {
	syncedFile(t, m, name, name)
	dir := "/"
	if i := strings.LastIndex(name, "/"); i >= 0 {
		dir = name[:i]
	}
	require.NoError(t, m.SyncDir(dir))
}

func TestCrashCloneIsIndependent(t *testing.T) {
	m := NewMem(MemOptions{})
	f, err := m.Create("a")
	require.NoError(t, err)
	_, err = f.Write([]byte("abc"))
	require.NoError(t, err)
	require.NoError(t, m.Link("a", "b"))
	lock, err := m.Lock("LOCK")
	require.NoError(t, err)
	defer lock.Close()
	before := tree(t, m)
	clone := m.CrashClone(keepAll)

	_, err = f.Write([]byte("def"))
	require.NoError(t, err)
	require.NoError(t, m.Remove("b"))
	require.Equal(t, before, tree(t, clone))
	require.Equal(t, before, tree(t, clone.CrashClone(keepNothing)), "what survived is durable")

	require.NoError(t, clone.Remove("a"))
	writeFile(t, clone, "a", "clone")
	require.Equal(t, files{"a": "abcdef", "LOCK": ""}, tree(t, m))
	require.Equal(t, files{"a": "clone", "b": "abc", "LOCK": ""}, tree(t, clone))
	require.Equal(t, before, tree(t, clone.CrashClone(keepNothing)))
	_, err = m.Lock("LOCK")
	require.ErrorIs(t, err, vfs.ErrLocked)
	lock2, err := clone.Lock("LOCK")
	require.NoError(t, err)
	require.NoError(t, lock2.Close())
}

func TestCrashCloneOfLinkedNamesHasOneFile(t *testing.T) {
	m := NewMem(MemOptions{})
	writeFile(t, m, "a", strings.Repeat("x", 5000))
	require.NoError(t, m.Link("a", "b"))
	require.NoError(t, m.SyncDir("/"))
	for seed := range uint64(50) {
		left := tree(t, m.CrashClone(keepHalf(seed)))
		require.Equal(t, left["a"], left["b"])
	}
}

// After any history, a crash leaves under each name a file that the name led to since its directory
// was synced, with at least the synced content.
func TestCrashOfRandomHistories(t *testing.T) {
	for seed := range uint64(150) {
		checkRandomHistory(t, rand.New(rand.NewPCG(seed, 1)))
	}
}

// written is a file of a random history. All of its bytes are its id.
type written struct {
	id                     byte
	f                      vfs.File
	sizeBytes, syncedBytes int
}

func checkRandomHistory(t *testing.T, rng *rand.Rand) {
	m := NewMem(MemOptions{})
	dirs := []string{"d", "e"}
	durableDirs(t, m)
	names := []string{"d/a", "d/b", "e/a", "e/b"}
	now := map[string]*written{}            // what each name leads to; nil: nothing
	since := map[string]map[*written]bool{} // what it led to since the last SyncDir
	for _, name := range names {
		since[name] = map[*written]bool{nil: true}
	}
	to := func(name string, w *written) {
		now[name] = w
		since[name][w] = true
	}
	for step := range 40 {
		a, b := names[rng.IntN(len(names))], names[rng.IntN(len(names))]
		w := now[a]
		switch rng.IntN(7) {
		case 0:
			if w == nil {
				f, err := m.Create(a)
				require.NoError(t, err)
				to(a, &written{id: byte(step + 1), f: f})
			}
		case 1, 2:
			if w != nil {
				n := rng.IntN(1500)
				_, err := w.f.Write(bytes.Repeat([]byte{w.id}, n))
				require.NoError(t, err)
				w.sizeBytes += n
			}
		case 3:
			if w != nil {
				require.NoError(t, w.f.Sync())
				w.syncedBytes = w.sizeBytes
			}
		case 4:
			if w != nil && w != now[b] {
				require.NoError(t, m.Rename(a, b))
				to(b, w)
				to(a, nil)
			}
		case 5:
			if w != nil {
				require.NoError(t, m.Remove(a))
				to(a, nil)
			}
		case 6:
			dir := dirs[rng.IntN(2)]
			require.NoError(t, m.SyncDir(dir))
			for _, name := range names {
				if strings.HasPrefix(name, dir) {
					since[name] = map[*written]bool{now[name]: true}
				}
			}
		}
		for _, keep := range []float64{0, 0.5, 0.9, 1} {
			left := tree(t, m.CrashClone(CrashOptions{Keep: keep, Rand: rng}))
			for _, name := range names {
				checkSurvivor(t, left, name, since[name])
			}
		}
	}
}

// checkSurvivor checks that the file that a crash left under a name is one of the possible ones.
func checkSurvivor(t *testing.T, left files, name string, allowed map[*written]bool) {
	data, found := left[name]
	for w := range maps.Keys(allowed) {
		if w == nil && !found {
			return
		}
		if w == nil || !found || len(data) < w.syncedBytes || len(data) > w.sizeBytes {
			continue
		}
		id, synced := string([]byte{w.id}), data[:w.syncedBytes]
		unsynced := strings.ReplaceAll(data[w.syncedBytes:], "\x00", "")
		if strings.Trim(synced, id) == "" && strings.Trim(unsynced, id) == "" &&
			!strings.Contains(synced, "\x00") {
			return
		}
	}
	require.Failf(t, "not a survivor", "%s: found %v, %d bytes", name, found, len(data))
}

// Renames never lose a file, whichever of them survive.
func TestCrashOfRenamesLosesNoFile(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		m := NewMem(MemOptions{})
		durableDirs(t, m)
		durableFile(t, m, "d/0")
		at := "d/0"
		for range 8 {
			next := fmt.Sprintf("%c/%d", "de"[rng.IntN(2)], rng.IntN(4))
			require.NoError(t, m.Rename(at, next))
			at = next
			left := tree(t, m.CrashClone(CrashOptions{Keep: 0.5, Rand: rng}))
			require.Greater(t, len(left), 2, "only the directories are left")
		}
	}
}

func TestFailedSyncLosesTheData(t *testing.T) {
	m := NewMem(MemOptions{})
	faulty := NewFaulty(m, FaultyOptions{Plan: FailNth(1, errDisk, OpSync)})
	f, err := faulty.Create("a")
	require.NoError(t, err)
	require.NoError(t, m.SyncDir("/"))
	for _, part := range []string{"first ", "second ", "third"} {
		_, err = f.Write([]byte(part))
		require.NoError(t, err)
		if err = f.Sync(); part == "second " {
			require.ErrorIs(t, err, errDisk)
			require.Equal(t, "first ", readFile(t, m.CrashClone(keepNothing), "a"))
			require.Equal(t, "first "+strings.Repeat("\x00", 7), readFile(t, m.CrashClone(keepAll), "a"))
			require.NoError(t, f.Sync(), "as on Linux, the next fsync says that all is well")
			continue
		}
		require.NoError(t, err)
	}
	require.Equal(t, "first second third", readFile(t, m, "a"), "until the crash, memory hides the loss")
	for seed := range uint64(20) {
		left := readFile(t, m.CrashClone(keepHalf(seed)), "a")
		require.Equal(t, "first "+strings.Repeat("\x00", 7)+"third", left)
	}
}

func TestFailedSyncDirLosesTheChanges(t *testing.T) {
	m := NewMem(MemOptions{})
	durableFile(t, m, "a")
	faulty := NewFaulty(m, FaultyOptions{Plan: FailNth(0, errDisk, OpSyncDir)})
	syncedFile(t, m, "b", "new")
	require.NoError(t, faulty.Rename("b", "a"))
	require.ErrorIs(t, faulty.SyncDir("/"), errDisk)
	require.NoError(t, faulty.SyncDir("/"))
	require.Equal(t, files{"a": "new"}, tree(t, m))
	require.Equal(t, files{"a": "a"}, tree(t, m.CrashClone(keepAll)))
	_, err := m.CrashClone(keepAll).Stat("b")
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, faulty.Remove("a"))
	require.NoError(t, faulty.SyncDir("/"))
	require.Equal(t, files{}, tree(t, m.CrashClone(keepNothing)), "later changes are durable again")
}

func TestFailedSyncDirOfARenameKeepsTheOldName(t *testing.T) {
	m := NewMem(MemOptions{})
	durableDirs(t, m)
	durableFile(t, m, "d/a")
	faulty := NewFaulty(m, FaultyOptions{Plan: FailNth(0, errDisk, OpSyncDir)})
	require.NoError(t, faulty.Rename("d/a", "e/a"))
	require.ErrorIs(t, faulty.SyncDir("e"), errDisk)
	require.Equal(t, set(files{"d": "dir", "e": "dir", "d/a": "d/a"}), outcomes(t, m))
	require.Contains(t, tree(t, m.CrashClone(keepAll)), "d/a")
}
