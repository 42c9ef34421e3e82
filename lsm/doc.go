// Package lsm is an embedded key-value store on disk: a log-structured merge tree made for
// keyed state of stream jobs. Keys and values are bytes, keys are ordered by bytes.Compare, one
// goroutine writes. It offers point reads and writes, appends that do not read the old value,
// deletes of whole prefixes and partitions, iterators, and snapshots in constant time.
//
// # First steps
//
//	db, err := lsm.Open(ctx, dir, lsm.Options{})
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	err = db.Put([]byte("greeting"), []byte("hello"))
//	value, found, err := db.Get([]byte("greeting"), nil)
//
// The zero Options work. The calls by task:
//
//	write one key              Put, Append, Delete
//	write several atomically   Batch and Apply
//	delete many keys at once   DeletePrefix, DeleteRange
//	read one key               Get, Has, Peek (no copy), Floor (next key below)
//	read a value of any size   Stream
//	read keys in order         Prefix (sees later writes), Iterator (a fixed moment)
//	read a fixed moment        View
//	copy the store             Checkpoint, View.Tables, Restore
//	make writes durable        Flush, SyncLog, Close
//	add a run made later       SealWith, FlushedRun, WaitFlushed
//	observe                    Metrics, Events
//	repair and remove          Check, Destroy
//
// # How it works
//
// Writes go to the memtable, a hash table in memory. Seal ends the memtable: it becomes a
// sealed run, which never changes again. The flusher writes sealed runs to tables (files) of
// level 0 within a second or so, and writes several small runs to one table. The compactor
// merges tables and moves them down the levels in the background.
//
//	Put, Append, Delete ──► active memtable                  memory
//	                              │ Seal, View, or MemtableBytes reached
//	                              ▼
//	                        sealed runs                      memory
//	                              │ flusher
//	                              ▼
//	                        level 0:   tables, newest first  disk
//	                              │ compactor
//	                              ▼
//	                        level 1 to 6: one sorted run each, ten times larger per level
//
// A run has at most one entry per key, and a newer run overrides an older one. Therefore
// entries need no sequence numbers: a snapshot is a seal and the set of runs at that moment.
// Snapshots exist at seals only, not at every write.
//
// Options.Split cuts a key into prefix and suffix. A prefix is the unit of Prefix and
// DeletePrefix. The first Options.PartitionBytes bytes of a key name its partition, the unit of
// DeleteRange and Restore.
//
// # Durability
//
// Without a log (the default), a crash takes the store back to the newest seal that was
// flushed: later writes are lost. Flush and Checkpoint make all earlier writes durable. Close
// loses nothing. Discard closes without writing, for a store that is removed next. With a log,
// a crash may lose the newest writes. If it loses a write, it also loses all later ones:
//
//	mode         kill -9 loses                 a power cut loses
//	LogOff       writes after the last flush   writes after the last flush
//	LogBuffered  the last 64 KiB of the log    the part of the log that is not synced
//	LogWritten   no write that had returned    the part of the log that is not synced
//	LogSynced    no write that had returned    no write that had returned
//
// The operating system writes the log to the disk at a time of its choice. When a log has
// reached MemtableBytes, the store syncs it and begins the next one. SyncLog syncs the current
// log.
//
// # Full disks
//
// If the disk has no room for a write, the write fails with ErrStalled, which wraps the cause,
// and changes nothing in the running store. Reads continue and acknowledged writes are kept.
// Once there is room again, writes succeed; the store need not be reopened. With a log, a
// refused write may appear after a crash, because part of the log may have reached the disk.
// Compactions wait for room. If the sync of a table fails, the store writes the table again. If
// the sync of the log, of the manifest or of the directory fails, the content of the disk is
// unknown, and the store accepts no more writes (ErrFailed).
//
// # Directory
//
// Open resolves the directory's name once, by the rules of the kernel: "current/../data" is
// next to the directory that the link current points to. Later changes of the working directory
// or of a link do not move an open store. Only one DB at a time can have the directory open:
// see ErrLocked and ErrLockLost.
//
// # Errors
//
// Every error wraps one of the errors in errors.go or an error of the file system, and names
// the operation that failed. No error text contains a key or a value. Damaged files cause
// errors, never panics.
package lsm
