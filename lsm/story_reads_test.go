package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
)

// keysOfStories are all keys that stories write, and some keys that they never write.
var keysOfStories = func() (keys []string) {
	for _, p := range []string{"a:", "b:", "c:", "d:", "e:", "x"} {
		keys = append(keys, p, p+"1", p+"2", p+"3", p+"4", p+"gone")
	}
	for i := range 30 {
		keys = append(keys, fmt.Sprintf("m:%02d", i))
	}
	return keys
}()

// contentOf reads the content of a store by Get, which seals no memtable.
func contentOf(db *DB) (storyState, error) {
	got := storyState{}
	for _, key := range keysOfStories {
		value, ok, err := db.Get([]byte(key), nil)
		if err != nil {
			return nil, err
		}
		if ok {
			got[key] = string(value)
		}
	}
	return got, nil
}

// readAllOf reads all rows of an iterator, checks that keys ascend, and closes the iterator.
func readAllOf(it *Iterator) (storyState, error) {
	got := storyState{}
	var last []byte
	for it.Next() {
		if len(got) > 0 && bytes.Compare(last, it.Key()) >= 0 {
			return nil, errors.Join(errors.New("keys do not ascend"), it.Close())
		}
		last = append(last[:0], it.Key()...)
		value, err := it.Value()
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		got[string(last)] = string(value)
	}
	return got, errors.Join(it.Err(), it.Close())
}

// scanned reads the content of a store by an iterator and by Get, and requires that both are equal.
func scanned(db *DB) (storyState, error) {
	it, err := db.Iterator(nil, nil)
	if err != nil {
		return nil, err
	}
	got, err := readAllOf(it)
	if err != nil {
		return nil, err
	}
	byGet, err := contentOf(db)
	if err == nil && !maps.Equal(got, byGet) {
		err = fmt.Errorf("the scan returned %d keys and differs from Get, which found %d", len(got), len(byGet))
	}
	return got, err
}
