package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
	"github.com/weirstate/weir/wal"
)

// FuzzWalWriter runs random operations with faults and a crash on a log. The log must have a
// prefix of the appended records, with all records that were synced.
func FuzzWalWriter(f *testing.F) {
	for i := range uint64(8) {
		seed(f, fmt.Sprint("random ", i), randomBytes(i, 60), uint16(i%3*7), uint64(i), byte(40*i))
	}
	f.Fuzz(func(t *testing.T, script []byte, fault uint16, choices uint64, keep byte) {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		var plan vfstest.Plan
		if fault > 0 {
			plan = vfstest.FailNth(int(fault)+2, vfstest.ShortWrite(syscall.EIO))
		}
		w, err := wal.Create(vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: plan}), "log", wal.Options{BufferBytes: 512})
		require.NoError(t, err)
		require.NoError(t, mem.SyncDir("."))
		l := &loggedRecords{w: w}
		for in := (&input{script}); in.more() && err == nil; {
			err = l.step(in)
		}
		if err != nil && !errors.Is(err, wal.ErrFailed) {
			t.Fatal(err)
		}
		if _, again := w.Append(nil); err != nil && again != err && !errors.Is(again, fs.ErrClosed) {
			t.Fatalf("Append returns %v after %v", again, err)
		}
		l.check(t, mem.CrashClone(vfstest.CrashOptions{
			Keep: float64(keep) / 255, Rand: rand.New(rand.NewPCG(choices, 0)), BlockBytes: 1 + int(choices%4096),
		}))
	})
}

// loggedRecords is a writer and the records that its log should have.
type loggedRecords struct {
	w             *wal.Writer
	begun         [][]byte
	durable       int // the first records of begun that are durable
	closed, clean bool
}

func (l *loggedRecords) step(in *input) error {
	if l.closed {
		in.rest = nil
		return nil
	}
	switch choice := in.choice(32); choice {
	case 0, 1, 2, 3:
		if err := l.w.SyncTo(l.w.Size()); err != nil {
			return err
		}
		l.durable = len(l.begun)
	case 4, 5, 6, 7:
		return l.w.Flush()
	case 8, 9:
		l.closed = true
		if err := l.w.Close(choice == 8); err != nil {
			return err
		}
		if choice == 8 {
			l.durable, l.clean = len(l.begun), true
		}
	default:
		record := bytes.Repeat([]byte{byte(len(l.begun))}, choice*in.choice(256))
		l.begun = append(l.begun, record)
		_, err := l.w.Append(record)
		return err
	}
	return nil
}

func (l *loggedRecords) check(t *testing.T, fsys vfs.FS) {
	n := 0
	o, err := wal.Read(context.Background(), fsys, "log", func(record []byte, end int64) error {
		if n >= len(l.begun) || !bytes.Equal(l.begun[n], record) {
			t.Fatalf("record %d of %d differs", n, len(l.begun))
		}
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < l.durable || l.clean && !o.Clean || o.Clean && (n < len(l.begun) || !l.closed) {
		t.Fatalf("%d records of %d, %d durable: %+v", n, len(l.begun), l.durable, o)
	}
}
