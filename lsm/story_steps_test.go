package lsm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

func open(s *story) (err error) {
	if s.db, err = Open(context.Background(), storyDir, s.o); err == nil && s.manifestBytes > 0 {
		s.db.manifest.Lock()
		s.db.manifest.MaxBytes = s.manifestBytes
		s.db.manifest.Unlock()
	}
	return err
}

func put(key, value string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m[key] = value },
			func(db *DB) error { return db.Put([]byte(key), []byte(value)) })
	}
}

func add(key, value string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m[key] += value },
			func(db *DB) error { return db.Append([]byte(key), []byte(value)) })
	}
}

func del(key string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { delete(m, key) },
			func(db *DB) error { return db.Delete([]byte(key)) })
	}
}

func delPrefix(prefix string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m.drop(func(k string) bool { return strings.HasPrefix(k, prefix) }) },
			func(db *DB) error { return db.DeletePrefix([]byte(prefix)) })
	}
}

func delRange(from, to string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m.drop(func(k string) bool { return from <= k && k < to }) },
			func(db *DB) error { return db.DeleteRange([]byte(from), []byte(to)) })
	}
}

func (m storyState) drop(which func(string) bool) {
	maps.DeleteFunc(m, func(k, _ string) bool { return which(k) })
}

// batchOf deletes a prefix and writes two of its keys, in one batch.
func batchOf(prefix, value string) storyStep {
	return func(s *story) error {
		var b Batch
		b.Put([]byte(prefix+"gone"), []byte("gone"))
		b.DeletePrefix([]byte(prefix))
		b.Put([]byte(prefix+"1"), []byte(value))
		b.Append([]byte(prefix+"2"), []byte(value))
		b.Append([]byte(prefix+"2"), []byte("!"))
		return s.write(func(m storyState) {
			m.drop(func(k string) bool { return strings.HasPrefix(k, prefix) })
			m[prefix+"1"], m[prefix+"2"] = value, value+"!"
		}, func(db *DB) error { return db.Apply(&b) })
	}
}

func seal(s *story) error {
	s.recordPossibleSeal()
	return s.db.Seal()
}

func flush(s *story) error {
	return s.durable(func(db *DB) error { return db.Flush(context.Background()) })
}

// syncLog syncs the log; without a log it does nothing.
func syncLog(s *story) error {
	if s.o.Log == LogOff {
		return nil
	}
	return s.durable((*DB).SyncLog)
}

func compact(s *story) error {
	return s.durable(func(db *DB) error { return db.Compact(context.Background()) })
}

func closeStore(s *story) error { return s.durable((*DB).Close) }

func reopen(s *story) error { return errors.Join(closeStore(s), open(s)) }

func checkpointTo(dir string) storyStep {
	return func(s *story) error {
		return s.copyTo(dir, s.found(), func() error {
			return s.durable(func(db *DB) error { return db.Checkpoint(context.Background(), dir) })
		})
	}
}

// restoreTo restores a store from two copies: the keys below "c" from low, the other keys from high.
func restoreTo(dir, low, high string) storyStep {
	return func(s *story) error {
		state := storyState{}
		for _, c := range s.copies {
			if !c.done && (c.dir == low || c.dir == high) {
				return nil // the copy has failed, so there is nothing to restore
			}
			for k, v := range c.state {
				if c.dir == low && k < "c" || c.dir == high && k >= "c" {
					state[k] = v
				}
			}
		}
		return s.copyTo(dir, state, func() error {
			return Restore(context.Background(), dir, []Part{
				{Dir: low, To: []byte("c")}, {Dir: high, From: []byte("c")},
			}, s.o)
		})
	}
}

func takeView(s *story) (err error) {
	s.recordPossibleSeal()
	s.viewed = s.found()
	s.view, err = s.db.View()
	return err
}

// closeView compares the content of the open view with its expected state and closes the view.
func closeView(s *story) error {
	v := s.view
	if v == nil {
		return nil
	}
	s.view = nil
	it, err := v.Iterator(nil, nil)
	if err != nil {
		return errors.Join(err, v.Close())
	}
	got, err := readAllOf(it)
	if err == nil && !maps.Equal(got, s.viewed) {
		s.violate(errors.New("the view has changed"))
	}
	return errors.Join(err, v.Close())
}

// waitForWorkers waits until the workers are idle or have failed.
func waitForWorkers(s *story) error {
	s.compactionFailed.Store(false)
	s.db.lock.Lock()
	s.db.flushes.dueUpTo = s.db.activeRun - 1
	s.db.lock.Unlock()
	s.db.flusher.wake()
	for {
		s.db.lock.Lock()
		stop := s.db.status.failed != nil || s.db.status.flushErr != nil || s.db.compactor.damaged || s.compactionFailed.Load()
		idle := len(s.db.versions.Current().Memory) == 0
		s.db.lock.Unlock()
		if idle {
			s.db.compactor.running.Lock()
			s.db.lock.Lock()
			idle = s.db.o.Picker.Pick(s.db.shape()) == nil
			s.db.lock.Unlock()
			s.db.compactor.running.Unlock()
		}
		if stop || idle {
			return nil
		}
		if time.Now().After(s.deadline) {
			return errors.New("the workers do not become idle")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// compareReads compares the results of Get with the allowed states.
func compareReads(s *story) error {
	got, err := contentOf(s.db)
	if err != nil {
		return err
	}
	if !s.isAllowed(got) {
		s.violate(fmt.Errorf("Get found %d keys, which equal no allowed state", len(got)))
	}
	return nil
}
