package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// All engines have the same entries after the same operations, before and after Settle.
func TestEnginesAgree(t *testing.T) {
	names, missing := available()
	if missing != nil {
		t.Log(missing)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			e, err := engines[name](t.TempDir(), layout{prefixBytes: prefixBytes})
			must(t, err)
			want := make(map[string]string)
			for round := range 3 {
				for i := range uint64(3000) {
					key := mapKey(nil, mix(i)%20, i%150)
					value := fmt.Appendf(nil, "%d-%d", round, i)
					switch i % 5 {
					case 0:
						must(t, e.Delete(key))
						delete(want, string(key))
					case 1, 2:
						err := e.Append(key, value)
						if errors.Is(err, errUnsupported) {
							continue
						}
						must(t, err)
						want[string(key)] += string(value)
					default:
						must(t, e.Put(key, value))
						want[string(key)] = string(value)
					}
				}
				requireSame(t, e, want)
				must(t, e.Settle())
				requireSame(t, e, want)
			}
			must(t, e.Close())
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func requireSame(t *testing.T, e engine, want map[string]string) {
	t.Helper()
	for prefix := range uint64(20) {
		for suffix := range uint64(151) {
			key := mapKey(nil, prefix, suffix)
			value, found, err := e.Get(key)
			must(t, err)
			if expected, ok := want[string(key)]; found != ok || string(value) != expected {
				t.Fatalf("Get(%x) = %q, %v; want %q, %v", key, value, found, expected, ok)
			}
		}
	}
	got := make(map[string]string)
	collect := func(key, value []byte) error {
		got[string(key)] = string(value)
		return nil
	}
	if err := e.Scan(collect); err == errUnsupported {
		return
	} else if must(t, err); !maps.Equal(want, got) {
		t.Fatalf("a scan has %d entries, want %d", len(got), len(want))
	}
	clear(got)
	for prefix := range uint64(20) {
		must(t, e.Prefix(hashedKey(nil, prefix), collect))
	}
	if !maps.Equal(want, got) {
		t.Fatalf("prefixes have %d entries, want %d", len(got), len(want))
	}
}

func TestCompareWritesEveryRowAndRemovesItsFiles(t *testing.T) {
	for kind := range keyKinds {
		dir := t.TempDir()
		file := filepath.Join(t.TempDir(), "rows.json")
		var table bytes.Buffer
		must(t, compare(context.Background(), []string{
			"-keys", "3000", "-ops", "1000", "-runs", "1", "-key-kind", kind, "-dir", dir, "-json", file,
		}, &table, io.Discard))
		data, err := os.ReadFile(file)
		must(t, err)
		var got struct{ Rows []row }
		must(t, json.Unmarshal(data, &got))
		names, _ := available()
		// The Go map lacks four workloads (scans, map iterate, rmw with snapshots), Badger
		// lacks three (append). Only Pebble and weir have several writers.
		if want := len(names)*len(workloadNames()) - 4 - 3 - (len(names) - 2); len(got.Rows) != want {
			t.Fatalf("%d rows, want %d:\n%s", len(got.Rows), want, &table)
		}
		requireEmpty(t, dir)
	}
}

func requireEmpty(t *testing.T, dir string) {
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) > 0 {
		t.Fatalf("files were not removed: %v", left)
	}
}

func TestCompareRemovesItsFilesIfCancelled(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	names, _ := available()
	for _, name := range names {
		err := compare(ctx, []string{"-keys", "3000", "-engines", name, "-dir", dir}, io.Discard, io.Discard)
		if err == nil {
			t.Fatal("compare returned no error")
		}
		requireEmpty(t, dir)
	}
}

func TestOrderHasEachNumberOnce(t *testing.T) {
	for _, n := range []uint64{1000, 1001, 4096, 99_990} {
		seen := make([]bool, n)
		o := newOrder(n, 1)
		for range n {
			seen[o.next()] = true
		}
		if slices.Contains(seen, false) {
			t.Fatalf("an order of %d numbers lacks one", n)
		}
	}
}
