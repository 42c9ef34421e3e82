package lsmstate

// Get implements backend.ByteBackend.
func (b *Backend) Get(key []byte) (value []byte, ok bool, err error) {
	db, err := b.store()
	if err != nil {
		return nil, false, err
	}
	value, ok, err = db.Peek(key)
	return value, ok, wrapLSMError(err)
}

// Set implements backend.ByteBackend.
func (b *Backend) Set(key, value []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	return wrapLSMError(db.Put(key, value))
}

// Delete implements backend.ByteBackend.
func (b *Backend) Delete(key []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	return wrapLSMError(db.Delete(key))
}

// DeletePrefix implements backend.ByteBackend. The prefix must be complete as the tree's split
// function defines it: header, key and namespace. DeletePrefix writes one tombstone.
func (b *Backend) DeletePrefix(prefix []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	return wrapLSMError(db.DeletePrefix(prefix))
}
