#ifndef PEERS_ROCKSDB_STORE_H
#define PEERS_ROCKSDB_STORE_H

#include <stddef.h>
#include <stdint.h>

// store is an open database with what its operations need.
typedef struct {
	void *db, *write, *get, *scan, *prefix;
	const void *snapshot;
	char *scratch;
	size_t scratch_size;
} store;

// settings are sizes in bytes.
typedef struct {
	size_t cache, memtable;
	int memtables;
	size_t prefix; // of keys; 0: none
} settings;

enum { STORE_PUT, STORE_DELETE, STORE_APPEND };

// batch is operations packed one behind the other: key i ends at key_ends[i], and
// begins where the one before ends; so do values.
typedef struct {
	int n;
	const uint8_t *kinds;
	const char *keys, *values;
	const uint32_t *key_ends, *value_ends;
} batch;

// Errors are strings that the caller frees with store_free; NULL is success.
char *store_open(store *s, const char *dir, settings o);
void store_close(store *s);
char *store_write(store *s, const batch *b);
// store_get reads one value into scratch; size is -1 if there is none.
char *store_get(store *s, const char *key, size_t key_size, int64_t *size);
// store_get_all reads all keys, in place, and counts those found.
char *store_get_all(store *s, const batch *b, int64_t *found);
// store_change_all reads all keys and puts their values back with the first 8
// bytes changed.
char *store_change_all(store *s, const batch *b, uint64_t stamp, int64_t *found);
char *store_settle(store *s);
void store_snapshot(store *s);
uint64_t store_disk_bytes(store *s);
void store_free(void *p);

// walk_open begins at the first key (prefix_size 0) or walks keys of a prefix.
void *walk_open(store *s, const char *prefix, size_t prefix_size);
// walk_next copies entries, each two sizes of 4 bytes and its bytes, for as long
// as there is room. It returns how many bytes it has written, 0 at the end, or
// how many are needed, less than 0, for an entry larger than the room.
int64_t walk_next(void *iterator, char *to, size_t room);
char *walk_close(void *iterator);

#endif
