package main

import (
	"context"
	"errors"
	"time"

	"github.com/weirstate/weir/lsm"
)

// weir is Weir's tree. It reads with Peek, which only a single owner of a store may use.
type weir struct {
	db   *lsm.DB
	view *lsm.View
}

func openWeir(dir string, l layout) (engine, error) {
	o := &lsm.Options{BudgetBytes: budgetBytes, PartitionBytes: 2}
	if l.prefixBytes > 0 {
		o.Split = lsm.Split{Name: "peers.prefix", Func: func(key []byte) int { return min(l.prefixBytes, len(key)) }}
	}
	db, err := lsm.Open(context.Background(), dir, *o)
	if err != nil {
		return nil, err
	}
	return &weir{db: db}, nil
}

func (w *weir) Put(key, value []byte) error                { return w.db.Put(key, value) }
func (w *weir) PutShared(key, value []byte) error          { return w.db.Put(key, value) }
func (w *weir) Delete(key []byte) error                    { return w.db.Delete(key) }
func (w *weir) Append(key, value []byte) error             { return w.db.Append(key, value) }
func (w *weir) Get(key []byte) (v []byte, f bool, e error) { return w.db.Peek(key) }

func (w *weir) Prefix(prefix []byte, do func(key, value []byte) error) error {
	it, err := w.db.Prefix(prefix)
	return all(it, err, do)
}

func (w *weir) Scan(do func(key, value []byte) error) error {
	it, err := w.db.Iterator(nil, nil)
	return all(it, err, do)
}

// all calls do for the entries of an iterator and closes the iterator. err is the error of the
// call that has returned it.
func all(it *lsm.Iterator, err error, do func(key, value []byte) error) error {
	if err != nil {
		return err
	}
	for err == nil && it.Next() {
		var value []byte
		if value, err = it.Value(); err == nil {
			err = do(it.Key(), value)
		}
	}
	return errors.Join(err, it.Err(), it.Close())
}

func (w *weir) Snapshot() error {
	var err error
	if w.view != nil {
		err = w.view.Close()
	}
	view, viewErr := w.db.View()
	w.view = view
	return errors.Join(err, viewErr)
}

// Settle flushes the memtable and waits until no flush or compaction is running.
func (w *weir) Settle() error {
	if err := w.db.Flush(context.Background()); err != nil {
		return err
	}
	for m := w.db.Metrics(); m.Flushing || m.Compacting; m = w.db.Metrics() {
		time.Sleep(time.Millisecond)
	}
	return nil
}

func (w *weir) DiskBytes() int64 {
	m := w.db.Metrics()
	return m.DiskBytes()
}

func (w *weir) Close() error {
	if w.view != nil {
		return errors.Join(w.view.Close(), w.db.Close())
	}
	return w.db.Close()
}
